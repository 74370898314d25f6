//! The kernel's own pair of position and stamp, as it noted it in its last interrupt.
//!
//! `snd_pcm_htimestamp` gives it, too, but needs alsa-lib's handle, which the `alsa` crate hides.
//! This asks the kernel itself, below alsa-lib, and so works for hardware alone.

use std::os::fd::RawFd;

use alsa::pcm::State;

use super::kernel::instant;
use super::pcm::Pair;

/// The position of an opened hardware device.
#[derive(Debug)]
pub(super) struct KernelPosition {
    descriptor: RawFd,
    /// Where the kernel's positions start again from 0.
    boundary_frames: u64,
}

impl KernelPosition {
    /// Makes one of the poll descriptor of an open device; `None` where the kernel's structures are
    /// not certain: those of 32-bit programs depend on how they were compiled.
    ///
    /// # Safety
    /// The descriptor is that of a PCM, and stays open as long as this lives.
    #[allow(unsafe_code)]
    pub unsafe fn new(descriptor: RawFd, boundary_frames: u64) -> Option<Self> {
        (cfg!(target_pointer_width = "64") && boundary_frames > 0).then_some(Self { descriptor, boundary_frames })
    }

    /// Returns how many of the frames before `written` are in the buffer, as of the last interrupt,
    /// and when that was. `written` counts from the last time the device was prepared.
    #[allow(unsafe_code)]
    pub fn read(&self, written: u64) -> Option<Pair> {
        use alsa::direct::pcm::SyncPtrStatus;
        // SAFETY: the descriptor is that of an open PCM (see `new`), and on 64-bit machines the crate's structure is the kernel's (`struct snd_pcm_sync_ptr` of
        // sound/asound.h). Both flags are set, by which the kernel returns `appl_ptr` and
        // `avail_min` and takes neither (`snd_pcm_sync_ptr` in sound/core/pcm_native.c), so
        // alsa-lib's view of the device stays as it is.
        let status = unsafe { SyncPtrStatus::sync_ptr(self.descriptor, false, Some(0), Some(0)) }.ok()?;
        if status.state() != State::Running {
            return None;
        }
        let played = u64::try_from(status.hw_ptr()).ok()?;
        let queued_frames = (written % self.boundary_frames + self.boundary_frames - played) % self.boundary_frames;
        Some(Pair { queued_frames, stamp: instant(status.htstamp()) })
    }
}
