//! The connection on which a mail server is asked for STARTTLS.
//!
//! The SMTP client reads through a buffer that it keeps when the encryption begins. Words that somebody on the way wrote
//! behind the answer to STARTTLS would wait there, and be taken for what the server said under the encryption
//! (CVE-2011-0411; RFC 3207 section 6). This stream never hands out more than one line, so that the buffer is empty
//! whenever an answer is over: what was put in is read by the TLS handshake, which fails over it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How much is read at a time.
const PORTION: usize = 1024;

/// A connection that is read one line at a time, or less. The encryption above it does not mind.
#[derive(Debug)]
pub(super) struct LineByLine(TcpStream);

impl LineByLine {
    pub(super) async fn connect(server: (&str, u16)) -> io::Result<Self> {
        TcpStream::connect(server).await.map(Self)
    }
}

impl AsyncTokioStream for LineByLine {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}

impl AsyncRead for LineByLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; PORTION];
        let room = out.remaining().min(PORTION);
        let mut there = ReadBuf::new(bytes.get_mut(..room).unwrap_or_default());
        ready!(self.0.poll_peek(context, &mut there))?;
        let there = there.filled();
        let line = there.iter().position(|byte| *byte == b'\n').map_or(there.len(), |end| end + 1);
        let mut part = ReadBuf::new(bytes.get_mut(..line).unwrap_or_default());
        ready!(Pin::new(&mut self.0).poll_read(context, &mut part))?;
        out.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LineByLine {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn no_read_goes_past_the_end_of_a_line() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut stream = LineByLine::connect(("127.0.0.1", port)).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        server.write_all(b"220 go\r\n250 put in\r\nrest").await.unwrap();
        drop(server);
        let mut read = Vec::new();
        loop {
            let mut part = [0; 100];
            let length = stream.read(&mut part).await.unwrap();
            if length == 0 {
                break;
            }
            read.push(part[..length].to_vec());
        }
        assert_eq!(read[0], b"220 go\r\n");
        assert!(read.iter().all(|part| !part[..part.len() - 1].contains(&b'\n')), "{read:?}");
        assert_eq!(read.concat(), b"220 go\r\n250 put in\r\nrest");
    }
}
