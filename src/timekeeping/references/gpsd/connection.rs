//! A connection to gpsd: lines, with limits on their length and on the wait.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::protocol::WATCH;

/// A longer line does not come from gpsd.
const LONGEST_LINE: usize = 64 * 1024;

/// How long to wait for a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// How long a read may take before the clocks are read and the stop signal is checked.
const READ_PATIENCE: Duration = Duration::from_millis(100);

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A whole line.
    Whole(Vec<u8>),
    /// No more for now.
    NotYet,
    /// gpsd has closed the connection.
    Closed,
}

/// A connection that has asked for reports.
#[derive(Debug)]
pub(super) struct Connection {
    lines: Lines<BufReader<TcpStream>>,
    /// Whether gpsd is on this machine.
    pub same_machine: bool,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, CONNECT_PATIENCE)?;
        stream.set_read_timeout(Some(READ_PATIENCE))?;
        stream.set_write_timeout(Some(CONNECT_PATIENCE))?;
        stream.write_all(WATCH)?;
        let same_machine = address.ip().to_canonical().is_loopback() || stream.local_addr()?.ip() == address.ip();
        Ok(Self { lines: Lines { reader: BufReader::new(stream), begun: Vec::new() }, same_machine })
    }

    pub(super) fn read(&mut self) -> io::Result<Line> {
        self.lines.read()
    }
}

#[derive(Debug)]
struct Lines<R> {
    reader: R,
    /// The part that has been read of a line that has not ended yet.
    begun: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn read(&mut self) -> io::Result<Line> {
        let room = (LONGEST_LINE + 1).saturating_sub(self.begun.len()) as u64;
        match self.reader.by_ref().take(room).read_until(b'\n', &mut self.begun) {
            Ok(_) if self.begun.ends_with(b"\n") => Ok(Line::Whole(std::mem::take(&mut self.begun))),
            Ok(_) if self.begun.len() > LONGEST_LINE => {
                Err(io::Error::new(ErrorKind::InvalidData, "a line longer than 64 KiB: is that gpsd?"))
            }
            Ok(_) => Ok(Line::Closed),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(Line::NotYet),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A stream that comes in pieces, with a pause after each.
    struct Pieces(VecDeque<Vec<u8>>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.pop_front() {
                None => Ok(0),
                Some(piece) if piece.is_empty() => Err(ErrorKind::WouldBlock.into()),
                Some(piece) => {
                    let size = piece.len().min(buffer.len());
                    buffer[..size].copy_from_slice(&piece[..size]);
                    if size < piece.len() {
                        self.0.push_front(piece[size..].to_vec());
                    }
                    Ok(size)
                }
            }
        }
    }

    fn lines(pieces: &[&[u8]]) -> Lines<BufReader<Pieces>> {
        Lines { reader: BufReader::new(Pieces(pieces.iter().map(|piece| piece.to_vec()).collect())), begun: vec![] }
    }

    #[test]
    fn a_line_that_comes_in_pieces_is_put_together() {
        let mut lines = lines(&[b"{\"a\":", b"", b"1}\n{", b"", b"}\n"]);
        assert_eq!(lines.read().unwrap(), Line::NotYet);
        assert_eq!(lines.read().unwrap(), Line::Whole(b"{\"a\":1}\n".to_vec()));
        assert_eq!(lines.read().unwrap(), Line::NotYet);
        assert_eq!(lines.read().unwrap(), Line::Whole(b"{}\n".to_vec()));
        assert_eq!(lines.read().unwrap(), Line::Closed);
    }

    #[test]
    fn a_line_without_end_is_an_error() {
        let flood = vec![b'x'; 200_000];
        let mut lines = lines(&[&flood]);
        assert_eq!(lines.read().unwrap_err().kind(), ErrorKind::InvalidData);
        assert!(lines.begun.len() <= LONGEST_LINE + 1);
    }
}
