//! MPEG audio files: which frame is where, and so which sample is where.
//!
//! The place of a sample is defined once, by going from frame to frame through the file. The length
//! of a track, playing it from the start and joining it in the middle all follow that definition.
//! Anything damaged, lost or not understood is silence of its own length; anything that is not
//! audio takes no time.
//!
//! - [`bytes`] reads files in large pieces; [`tags`] finds the tags before and after the audio;
//! - [`header`] and [`info_frame`] read the fields of frames; [`scanner`] finds frames, [`walk`]
//!   counts them;
//! - [`head`] is what a file's beginning reveals, [`survey`] its length, [`count`] counts its
//!   frames, [`map`] is where it can be entered;
//! - [`frame_decoder`] decodes single frames, [`reader`] frames from any place, [`sound`] the part
//!   of them that is heard;
//! - [`timeline`] lays parts of several rates on one timeline.
//!
//! Files are read here, through [`bytes::ReadAt`], and nothing else is touched: no clock, playlist
//! or sound card. No panic leaves this folder, whatever a file contains.

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
