//! What the mail server gets, and what becomes of a mail that it does not take.

use std::collections::BTreeSet;
use std::time::Duration;

use gatepost_db::on_each_engine;
use gatepost_server::outbox::{Round, State, queue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{Server, courier, owe};

const MINUTE: Duration = Duration::from_secs(60);

fn sent(sent: u32) -> Round {
    Round { sent, ..Round::default() }
}

fn postponed(postponed: u32) -> Round {
    Round { postponed, ..Round::default() }
}

on_each_engine! {
    async fn a_mail_arrives_whole_over_starttls_and_a_sign_in(engine) {
        let server = Server::start();
        let app = server.app(engine, "starttls").await;
        let courier = courier(&app);
        let token = owe(&app, "Ada@example.com").await;
        assert_eq!(courier.deliver().await.unwrap(), sent(1));
        let mails = server.mails();
        assert_eq!(mails.len(), 1);
        let mail = &mails[0];
        assert_eq!(mail["encrypted"], true);
        assert_eq!(mail["authenticated"], true);
        assert_eq!(mail["from"], "Lantern Club <no-reply@example.com>");
        assert_eq!((&mail["sender"], &mail["to"][0]), (&"no-reply@example.com".into(), &"Ada@example.com".into()));
        assert_eq!(mail["subject"], "Łantern Club: set a new password");
        assert_eq!(mail["auto"], "auto-generated");
        assert_eq!(mail["hello"], "127.0.0.1");
        assert_eq!(mail["ascii"], true);
        let id = mail["id"].as_str().unwrap();
        assert!(id.starts_with('<') && id.ends_with("@127.0.0.1>"), "{id}");
        // REC-01: whatever anybody sends as `Host`, the link is the configured one.
        let link = format!("http://127.0.0.1:8080/reset-password#token={token}\n");
        assert!(mail["text"].as_str().unwrap().replace("\r\n", "\n").contains(&link), "{}", mail["text"]);
        assert!(mail["html"].as_str().unwrap().contains(&token), "{}", mail["html"]);
        // The next one takes the same connection.
        owe(&app, "bob@example.com").await;
        assert_eq!(courier.deliver().await.unwrap(), sent(1));
        assert_eq!(server.mails()[1]["peer"], mail["peer"]);
        assert_eq!(server.heard_in_clear(), "");
    }

    async fn a_mail_arrives_over_tls_from_the_first_byte(engine) {
        let server = Server::with("tls", true);
        let app = server.app(engine, "tls").await;
        owe(&app, "ada@example.com").await;
        assert_eq!(courier(&app).deliver().await.unwrap(), sent(1));
        assert_eq!(server.mails()[0]["encrypted"], true);
    }

    async fn a_mail_arrives_in_clear_only_where_that_was_asked_for(engine) {
        let server = Server::with("none", false);
        let app = server.app(engine, "none").await;
        owe(&app, "ada@example.com").await;
        assert_eq!(courier(&app).deliver().await.unwrap(), sent(1));
        assert_eq!(server.mails()[0]["encrypted"], false);
    }

    async fn rel_26_broken_tls_never_becomes_clear_text(engine) {
        let deaf = Server::with("none", false);
        let server = Server::start();
        let host = format!("localhost:{}", deaf.port);
        let by_number = format!("127.0.0.1:{}", server.port);
        for (broken, others, server) in [
            ("a server that offers no encryption", vec![("mail.smtp.host", host.as_str()), ("mail.smtp.tls", "starttls")], &deaf),
            ("a server that speaks no TLS", vec![("mail.smtp.host", host.as_str()), ("mail.smtp.tls", "tls")], &deaf),
            ("a certificate that nobody vouches for", vec![("mail.smtp.ca_file", "")], &server),
            ("a certificate for another name", vec![("mail.smtp.host", by_number.as_str())], &server),
        ] {
            let sign_in = [("mail.smtp.username", "gatepost"), ("mail.smtp.password", crate::server::PASSWORD)];
            let others: Vec<_> = others.into_iter().chain(sign_in).chain([("mail.smtp.timeout", "5s")]).collect();
            let app = server.app_but(engine, broken, &others).await;
            owe(&app, "ada@example.com").await;
            assert_eq!(courier(&app).deliver().await.unwrap(), postponed(1), "{broken}");
            assert_eq!(server.heard_in_clear(), "", "{broken}");
            assert!(server.mails().is_empty(), "{broken}");
        }
    }

    async fn rel_26_words_put_in_before_the_encryption_count_for_nothing(engine) {
        let server = Server::start();
        // Somebody on the way, who cannot read the encryption and so writes in front of it.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (host, real) = (format!("localhost:{}", listener.local_addr().unwrap().port()), server.port);
        let on_the_way = tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", real)).await.unwrap();
            let (mut heard, mut said) = ([0; 4096], [0; 4096]);
            loop {
                tokio::select! {
                    length = server.read(&mut heard) => client.write_all(&heard[..length.unwrap()]).await.unwrap(),
                    length = client.read(&mut said) => {
                        server.write_all(&said[..length.unwrap()]).await.unwrap();
                        if said.starts_with(b"STARTTLS") {
                            break;
                        }
                    }
                }
            }
            let length = server.read(&mut heard).await.unwrap();
            let both = [&heard[..length], b"250-localhost\r\n250 AUTH PLAIN LOGIN\r\n"].concat();
            client.write_all(&both).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
        let app = server.app_but(engine, "put in", &[("mail.smtp.host", host.as_str()), ("mail.smtp.timeout", "5s")]).await;
        owe(&app, "ada@example.com").await;
        assert_eq!(courier(&app).deliver().await.unwrap(), postponed(1));
        // It ends in the handshake, and not some words later, where it would be luck.
        let problem = queue(&app.app, 1).await.unwrap().remove(0).problem.unwrap();
        assert!(problem.contains("corrupt message"), "{problem}");
        assert!(server.mails().is_empty());
        on_the_way.abort();
    }

    async fn rel_26_a_wrong_password_for_the_mail_server_kills_no_mail(engine) {
        let server = Server::start();
        let app = server.app_but(engine, "wrong password", &[("mail.smtp.password", "wrong")]).await;
        owe(&app, "ada@example.com").await;
        assert_eq!(courier(&app).deliver().await.unwrap(), postponed(1));
        let problem = queue(&app.app, 1).await.unwrap().remove(0).problem.unwrap();
        assert!(problem.contains("535"), "{problem}");
        assert!(server.mails().is_empty());
    }

    async fn rel_26_a_mail_that_is_refused_for_now_is_tried_again(engine) {
        let server = Server::start();
        let app = server.app(engine, "451").await;
        let courier = courier(&app);
        owe(&app, "ada@example.com").await;
        server.mood("451");
        assert_eq!(courier.deliver().await.unwrap(), postponed(1));
        assert_eq!(courier.deliver().await.unwrap(), Round::default(), "not before a minute is over");
        server.mood("accept");
        app.clock.advance(2 * MINUTE);
        assert_eq!(courier.deliver().await.unwrap(), sent(1));
    }

    async fn rel_26_a_mail_that_is_refused_for_good_is_a_dead_letter(engine) {
        let server = Server::start();
        let app = server.app(engine, "550").await;
        owe(&app, "ada@example.com").await;
        server.mood("550");
        assert_eq!(courier(&app).deliver().await.unwrap(), Round { dead: 1, ..Round::default() });
        let dead = queue(&app.app, 10).await.unwrap();
        assert_eq!(dead[0].state, State::Dead);
        let problem = dead[0].problem.as_deref().unwrap();
        // What the server quotes may be a part of the mail.
        assert!(problem.contains("550") && problem.contains("not today") && !problem.contains("token"), "{problem}");
    }

    async fn rel_26_a_server_that_hangs_is_left(engine) {
        let server = Server::start();
        let app = server.app_but(engine, "hang", &[("mail.smtp.timeout", "1s")]).await;
        owe(&app, "ada@example.com").await;
        server.mood("hang");
        assert_eq!(courier(&app).deliver().await.unwrap(), postponed(1));
        server.mood("accept");
        app.clock.advance(2 * MINUTE);
        assert_eq!(courier(&app).deliver().await.unwrap(), sent(1));
        assert_eq!(server.mails().len(), 1);
    }

    async fn rel_26_a_server_that_is_down_for_a_day_gets_every_mail_in_order(engine) {
        let mut server = Server::start();
        let app = server.app(engine, "a day").await;
        let courier = courier(&app);
        server.down();
        let mut tokens = Vec::new();
        for hour in 0..24 {
            tokens.push(owe(&app, if hour % 2 == 0 { "ada@example.com" } else { "bob@example.com" }).await);
            courier.deliver().await.unwrap();
            app.clock.advance(60 * MINUTE);
        }
        server.up();
        courier.deliver().await.unwrap();
        app.clock.advance(60 * MINUTE);
        courier.deliver().await.unwrap();
        let mails = server.mails();
        assert_eq!(mails.len(), 24);
        for (first, to) in ["ada@example.com", "bob@example.com"].into_iter().enumerate() {
            let texts: Vec<_> = mails.iter().filter(|mail| mail["to"][0] == to).map(|mail| mail["text"].as_str().unwrap()).collect();
            let owed: Vec<_> = tokens.iter().skip(first).step_by(2).collect();
            assert_eq!(texts.len(), owed.len());
            assert!(texts.iter().zip(owed).all(|(text, token)| text.contains(token.as_str())), "the order");
        }
    }

    async fn rel_27_two_nodes_hand_each_mail_over_once(engine) {
        let server = Server::start();
        let app = server.app(engine, "two nodes").await;
        let second = app.second_node().await;
        for number in 0..24 {
            owe(&app, &format!("user-{}@example.com", number % 12)).await;
        }
        let (one, other) = (courier(&app), courier(&second));
        let (one_round, other_round) = tokio::join!(one.deliver(), other.deliver());
        let rest = one.deliver().await.unwrap().sent;
        assert_eq!(one_round.unwrap().sent + other_round.unwrap().sent + rest, 24);
        let ids: BTreeSet<_> = server.mails().iter().map(|mail| mail["id"].to_string()).collect();
        assert_eq!((ids.len(), server.mails().len()), (24, 24));
    }
}
