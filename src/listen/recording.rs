//! Reads the file that a recorder wrote, piece by piece, in any format that phones and recorders use.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AC3, CODEC_ID_EAC3, CODEC_ID_OPUS};
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use super::foreign::{self, Foreign};
use crate::panics::{self, Panicked};

/// Of a recording with a lower rate too little of the sweeps is left, in Hz.
const LEAST_RATE_HZ: u32 = 8_000;
/// Recorders do not use more, in Hz.
const MOST_RATE_HZ: u32 = 384_000;

/// Why a recording cannot be read. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// It cannot be opened or read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// There is not a byte in it.
    #[error("it is empty; copy it from the phone again")]
    NoBytes,
    /// It is something else.
    #[error("it is {0}, not a recording")]
    NotSound(&'static str),
    /// It is of a format that is known, but not read.
    #[error("it is {0}, which is not read; convert it to WAV, such as with `ffmpeg -i FILE -vn recording.wav`")]
    OtherFormat(&'static str),
    /// It is of an unknown format.
    #[error(
        "its format is not known. WAV, M4A, MP3, Ogg Vorbis, FLAC, AIFF and CAF are, and films in MP4 and MOV; convert \
         it to one of them, such as with `ffmpeg -i FILE -vn recording.wav`"
    )]
    UnknownFormat,
    /// Its beginning alone is there.
    #[error(
        "its end is missing, without which nothing of an M4A or MP4 file can be read; copy it from the phone again, or \
         record again and let the recorder finish"
    )]
    CutOff,
    /// Its codec is not read, by its name, such as Opus.
    #[error(
        "its sound is coded as {0}, which is not read; convert it to WAV, such as with `ffmpeg -i FILE -vn recording.wav`"
    )]
    OtherCodec(&'static str),
    /// Its codec is not known, such as AMR.
    #[error(
        "its sound is coded in a way that is not read, such as AMR; convert it to WAV, such as with `ffmpeg -i FILE -vn \
         recording.wav`"
    )]
    UnknownCodec,
    /// It is a film without sound.
    #[error("it is a film without sound; record with a microphone that is switched on")]
    NoSoundTrack,
    /// Its rate is too low or absurd.
    #[error("its rate is {0} Hz; between {LEAST_RATE_HZ} and {MOST_RATE_HZ} Hz are needed")]
    Rate(u32),
    /// It is longer than can be read.
    #[error("it is longer than {} min; cut out the part that matters", .0 / 60)]
    TooLong(u64),
    /// There is no sound in it.
    #[error("there is no sound in it")]
    Empty,
    /// It makes the decoder fail.
    #[error("it is damaged: {0}; convert it to WAV, and try again")]
    Damaged(String),
}

impl From<Panicked> for RecordingError {
    fn from(panicked: Panicked) -> Self {
        Self::Damaged(panicked.to_string())
    }
}

impl From<Error> for RecordingError {
    fn from(error: Error) -> Self {
        match error {
            Error::IoError(error) => Self::Io(error),
            Error::Unsupported(_) => Self::UnknownFormat,
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// Bytes of which the length is known.
struct Source<R> {
    bytes: R,
    length: u64,
}

impl<R: Seek> Source<R> {
    fn new(mut bytes: R) -> io::Result<Self> {
        let length = bytes.seek(SeekFrom::End(0))?;
        bytes.rewind()?;
        Ok(Self { bytes, length })
    }
}

impl<R: Read + Seek> Source<R> {
    /// Returns the first bytes, and goes back before them.
    fn first(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut first = Vec::new();
        self.bytes.by_ref().take(most as u64).read_to_end(&mut first)?;
        self.bytes.rewind()?;
        Ok(first)
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

impl<R: Seek> Seek for Source<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

impl<R: Read + Seek + Send + Sync> MediaSource for Source<R> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length)
    }
}

/// A recording that is being read.
pub struct Recording {
    reader: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    rate_hz: u32,
    frames: Option<u64>,
    longest_s: u64,
    read_frames: u64,
    /// What was decoded at the beginning, to learn rate and channels; it is given out first.
    first: Option<Vec<Vec<f32>>>,
    last_length: usize,
    last_channels: usize,
}

impl Recording {
    /// Opens a recording of which at most `longest_s` are read.
    ///
    /// # Errors
    /// When it cannot be read; the error says what to do.
    pub fn open(path: &Path, longest_s: u64) -> Result<Self, RecordingError> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
        }
        Self::read_from(file, path, longest_s)
    }

    /// Opens a recording that lies anywhere, such as in memory (`std::io::Cursor`). Of `name` only the
    /// extension counts, as a hint; it may be empty. At most `longest_s` of it are read, piece by piece.
    ///
    /// # Errors
    /// When it cannot be read; the error says what to do.
    pub fn read_from(
        source: impl Read + Seek + Send + Sync + 'static,
        name: &Path,
        longest_s: u64,
    ) -> Result<Self, RecordingError> {
        let mut hint = Hint::new();
        if let Some(extension) = name.extension().and_then(|extension| extension.to_str()) {
            hint.with_extension(extension);
        }
        let mut source = Source::new(source)?;
        if source.length == 0 {
            return Err(RecordingError::NoBytes);
        }
        let first = source.first(foreign::ENOUGH)?;
        let recording = panics::catch(|| Self::new(Box::new(source), &hint, longest_s))?;
        recording.map_err(|error| match (error, foreign::kind(&first)) {
            (RecordingError::UnknownFormat, Some(Foreign::Sound(name))) => RecordingError::OtherFormat(name),
            (RecordingError::UnknownFormat, Some(Foreign::Other(name))) => RecordingError::NotSound(name),
            (RecordingError::UnknownFormat, Some(Foreign::Mp4)) => RecordingError::CutOff,
            (error, _) => error,
        })
    }

    fn new(source: Box<dyn MediaSource>, hint: &Hint, longest_s: u64) -> Result<Self, RecordingError> {
        let stream = MediaSourceStream::new(source, MediaSourceStreamOptions::default());
        let reader = symphonia::default::get_probe()
            .probe(hint, stream, FormatOptions::default(), MetadataOptions::default())
            .map_err(|error| match error {
                Error::IoError(error) if error.kind() != io::ErrorKind::UnexpectedEof => RecordingError::Io(error),
                _ => RecordingError::UnknownFormat,
            })?;
        let is_film = |track: &Track| matches!(track.codec_params, Some(CodecParameters::Video(_)));
        let track = reader.default_track(TrackType::Audio).ok_or(if reader.tracks().iter().all(is_film) {
            RecordingError::NoSoundTrack
        } else {
            RecordingError::UnknownCodec
        })?;
        let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
        let parameters = parameters.ok_or(RecordingError::UnknownCodec)?.clone();
        let (id, frames) = (track.id, track.num_frames);
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(&parameters, &AudioDecoderOptions::default())
            .map_err(|_| match parameters.codec {
                CODEC_ID_OPUS => RecordingError::OtherCodec("Opus"),
                CODEC_ID_AC3 | CODEC_ID_EAC3 => RecordingError::OtherCodec("AC-3"),
                _ => RecordingError::UnknownCodec,
            })?;
        let mut recording = Self {
            reader,
            decoder,
            track: id,
            rate_hz: 0,
            frames,
            longest_s,
            read_frames: 0,
            first: None,
            last_length: 0,
            last_channels: 0,
        };
        let first = recording.decode()?.ok_or(RecordingError::Empty)?;
        recording.first = Some(first);
        if !(LEAST_RATE_HZ..=MOST_RATE_HZ).contains(&recording.rate_hz) {
            return Err(RecordingError::Rate(recording.rate_hz));
        }
        Ok(recording)
    }

    /// Returns the frames per second.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Returns how much has been read, 0 to 1, if the file says how long it is.
    pub fn progress(&self) -> Option<f64> {
        self.frames.filter(|frames| *frames > 0).map(|frames| (self.read_frames as f64 / frames as f64).min(1.0))
    }

    /// Returns how many seconds the file says that it holds, if that is no more than is read of it: a
    /// program that writes into a pipe does not know it, and writes the most possible.
    pub fn promised_s(&self) -> Option<f64> {
        let promised_s = self.frames.map(|frames| frames as f64 / f64::from(self.rate_hz));
        promised_s.filter(|promised_s| *promised_s <= self.longest_s as f64)
    }

    /// Reads the piece that follows, one list of samples per channel; `None` at the end.
    ///
    /// # Errors
    /// When it cannot be read any further, or becomes too long.
    pub fn read(&mut self) -> Result<Option<Vec<Vec<f32>>>, RecordingError> {
        let piece = match self.first.take() {
            Some(first) => Some(first),
            None => panics::catch(|| self.decode())??,
        };
        if let Some(piece) = &piece {
            self.read_frames += piece.first().map_or(0, Vec::len) as u64;
            if self.read_frames > self.longest_s * u64::from(self.rate_hz) {
                return Err(RecordingError::TooLong(self.longest_s));
            }
        }
        Ok(piece)
    }

    fn decode(&mut self) -> Result<Option<Vec<Vec<f32>>>, RecordingError> {
        loop {
            let packet = match self.reader.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) | Err(Error::ResetRequired) => return Ok(None),
                // The recorder was switched off before it had finished the file.
                Err(Error::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            if packet.track_id != self.track {
                continue;
            }
            let mut channels: Vec<Vec<f32>> = Vec::new();
            match self.decoder.decode(&packet) {
                Ok(decoded) => {
                    let rate_hz = decoded.spec().rate();
                    if self.rate_hz != 0 && rate_hz != self.rate_hz {
                        return Err(RecordingError::Damaged("its rate changes".to_owned()));
                    }
                    self.rate_hz = rate_hz;
                    decoded.copy_to_vecs_planar(&mut channels);
                    // A file of floating-point samples may hold what is no number.
                    channels.iter_mut().flatten().filter(|x| !x.is_finite()).for_each(|x| *x = 0.0);
                    (self.last_length, self.last_channels) = (decoded.frames(), channels.len());
                }
                // A packet that is lost is silence of the same length: nothing after it may shift. The
                // decoder reads from memory: an end that comes too early is the packet's, not the file's.
                Err(error) if is_of_packet(&error) => {
                    channels = vec![vec![0.0; self.last_length]; self.last_channels];
                }
                Err(error) => return Err(error.into()),
            }
            if channels.first().is_some_and(|samples| !samples.is_empty()) {
                return Ok(Some(channels));
            }
        }
    }
}

/// Returns whether a decoder's error spoils one packet alone.
fn is_of_packet(error: &Error) -> bool {
    match error {
        Error::DecodeError(_) => true,
        Error::IoError(error) => error.kind() == io::ErrorKind::UnexpectedEof,
        _ => false,
    }
}
