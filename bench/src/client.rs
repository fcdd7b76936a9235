//! An HTTP/1.1 client for one thing: asking the same server again and again over one connection, cheaply.
//!
//! The load generator shares the cores with the server, so what it costs is missing there. It understands what our
//! server sends, which is answers with a `Content-Length`, and nothing else.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A kept-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// An answer, in the connection's buffer.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(8 * 1024) })
    }

    /// Sends a whole request and receives its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.received.clear();
        let (status, head, length) = loop {
            if let Some(head) = find(&self.received, b"\r\n\r\n") {
                break parse(&self.received[..head + 2])
                    .map(|(status, length)| (status, head + 4, length))?;
            }
            self.receive().await?;
        };
        while self.received.len() < head + length {
            self.receive().await?;
        }
        let (head, body) = self.received.split_at(head);
        Ok(Answer { status, head, body: &body[..length] })
    }

    async fn receive(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// The text of a request. Bodies are JSON.
pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let content = if body.is_empty() {
        String::new()
    } else {
        format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len())
    };
    format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}{content}\r\n{body}").into_bytes()
}

/// Where a text begins.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// The status and the length of the body, from a head that ends with a line break.
fn parse(head: &[u8]) -> io::Result<(u16, usize)> {
    let status = std::str::from_utf8(head.get(9..12).unwrap_or_default()).ok();
    let status = status.and_then(|digits| digits.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let length = head.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(15)?;
        let value = std::str::from_utf8(value).ok()?.trim();
        if name.eq_ignore_ascii_case(b"content-length:") { value.parse().ok() } else { None }
    });
    Ok((status, length.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_the_status_and_the_length_of_the_body() {
        let head = b"HTTP/1.1 201 Created\r\nx-a: 1\r\nContent-Length:  42 \r\n";
        assert_eq!(parse(head).unwrap(), (201, 42));
        assert_eq!(parse(b"HTTP/1.1 204 No Content\r\n").unwrap(), (204, 0));
        assert!(parse(b"HTTP/1.1 abc\r\n").is_err() && parse(b"").is_err());
    }

    #[test]
    fn a_request_says_how_long_its_body_is() {
        let text = String::from_utf8(request("POST", "/x", "a: b\r\n", "{}")).unwrap();
        assert!(text.starts_with("POST /x HTTP/1.1\r\nhost: 127.0.0.1\r\na: b\r\n"));
        assert!(text.ends_with("content-length: 2\r\n\r\n{}"));
    }
}
