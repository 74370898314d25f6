//! Takes the body of a recording: piece by piece, within limits of size and time, and never whole in
//! memory.

use std::io;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::recordings::{MOST_BYTES, Upload};

/// How long a phone may pause, and how long all may take.
const PAUSE: Duration = Duration::from_secs(15);
const MOST_TIME: Duration = Duration::from_secs(10 * 60);
/// Pieces that wait for the disk; hyper's buffer bounds each of them.
const MOST_WAITING: usize = 4;

/// Why a recording was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UploadError {
    #[error("a recording has at most {} MB; cut out the minutes that matter", MOST_BYTES / 1_000_000)]
    TooLarge,
    #[error("the recording was cut off; send it again")]
    CutOff,
    #[error("the recording did not come in time; send it again, nearer to the box")]
    TooSlow,
    #[error("the box has no room for the recording: {0}")]
    NoRoom(String),
}

enum Piece {
    Bytes(Bytes),
    /// Nothing more comes. Without it the recording was cut off.
    End,
}

/// Takes a body to its end.
pub(super) async fn take(mut body: Incoming, mut upload: Box<dyn Upload>) -> Result<(), UploadError> {
    // Known at once where the phone says so; otherwise counted.
    if body.size_hint().lower() > MOST_BYTES {
        return Err(UploadError::TooLarge);
    }
    let (pieces, mut waiting) = mpsc::channel(MOST_WAITING);
    let written = spawn_blocking(move || -> io::Result<()> {
        while let Some(piece) = waiting.blocking_recv() {
            match piece {
                Piece::Bytes(bytes) => upload.write(&bytes)?,
                Piece::End => {
                    upload.finish();
                    break;
                }
            }
        }
        Ok(())
    });
    let received = receive(&mut body, &pieces).await;
    drop(pieces);
    // What the disk says comes first: nobody receives any more after that.
    match written.await {
        Ok(Ok(())) => received,
        Ok(Err(error)) => Err(UploadError::NoRoom(error.to_string())),
        Err(_) => Err(UploadError::NoRoom("a fault of the program; see: journalctl -u jaudiosync".to_owned())),
    }
}

async fn receive(body: &mut Incoming, pieces: &mpsc::Sender<Piece>) -> Result<(), UploadError> {
    let (mut bytes, until) = (0, Instant::now() + MOST_TIME);
    loop {
        let frame = timeout(PAUSE, body.frame()).await.map_err(|_| UploadError::TooSlow)?;
        let Some(frame) = frame.transpose().map_err(|_| UploadError::CutOff)? else { break };
        let Ok(data) = frame.into_data() else { continue };
        bytes += data.len() as u64;
        if bytes > MOST_BYTES {
            return Err(UploadError::TooLarge);
        }
        if Instant::now() > until {
            return Err(UploadError::TooSlow);
        }
        if pieces.send(Piece::Bytes(data)).await.is_err() {
            return Ok(());
        }
    }
    // If nobody takes it, the writer says why.
    let _ = pieces.send(Piece::End).await;
    Ok(())
}
