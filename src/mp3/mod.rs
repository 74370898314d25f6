//! MPEG audio files: which frame is where, and so which sample is where.
//!
//! The place of a sample is defined once, by going from frame to frame through the file. The length of a track, playing it
//! from the start and joining it in the middle all go by that. What is damaged, lost or not understood is silence of its own
//! length; what is no audio takes no time.
//!
//! - [`bytes`] reads files in large pieces; [`tags`] finds what is put before and behind the audio;
//! - [`header`] and [`info_frame`] are what is written in frames; [`scanner`] finds frames, [`walk`] counts them;
//! - [`head`] is what a file's beginning tells, [`survey`] its length, [`count`] counts its frames, [`map`] is where it can be
//!   entered;
//! - [`frame_decoder`] decodes single frames, [`reader`] frames from a place on, [`sound`] what is heard of them;
//! - [`timeline`] lays parts of several rates on one.
//!
//! Files are read here, through [`bytes::ReadAt`], and nothing else: no clock, no playlist, no sound card. No panic leaves this
//! folder, whatever a file holds.

pub mod bytes;
pub mod count;
pub mod frame_decoder;
pub mod head;
pub mod header;
pub mod info_frame;
pub mod map;
pub mod reader;
pub mod scanner;
pub mod sound;
pub mod survey;
pub mod tags;
pub mod timeline;
pub mod walk;
