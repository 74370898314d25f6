//! A line to QEMU: a socket on which this side listens, as QEMU connects before it does anything
//! else.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A socket that QEMU will connect to.
pub struct Listener {
    listener: UnixListener,
    pub path: PathBuf,
}

impl Listener {
    pub fn new(folder: &Path, name: &str) -> Self {
        let path = folder.join(name);
        let listener = UnixListener::bind(&path).expect("a socket in the temporary folder");
        Self { listener, path }
    }

    /// Waits until QEMU has connected.
    pub fn accept(self) -> Line {
        let (stream, _) = self.listener.accept().expect("a connection of QEMU");
        Line::new(stream)
    }
}

/// A line on which both sides can send.
pub struct Line {
    reader: BufReader<UnixStream>,
}

impl Line {
    fn new(stream: UnixStream) -> Self {
        Self { reader: BufReader::new(stream) }
    }

    /// Sets how long a read waits at most.
    pub fn set_timeout(&self, timeout: Duration) {
        self.reader.get_ref().set_read_timeout(Some(timeout)).expect("a timeout");
    }

    pub fn send(&mut self, text: &str) -> std::io::Result<()> {
        self.reader.get_mut().write_all(text.as_bytes())
    }

    /// Returns the next line without its end; an error at the end of the stream, and when the time
    /// is up.
    pub fn receive(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line)? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
        }
    }

    /// Returns `count` bytes.
    pub fn receive_bytes(&mut self, count: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
