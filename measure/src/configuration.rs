//! The files in a virtual card's folder: what PulseAudio loads, and ALSA's default device.

use std::fs;
use std::io;
use std::path::Path;

use crate::sink::{RATE_HZ, Sink};

/// Writes all files of a card for this many boxes into `dir`, which must be empty.
pub fn write(dir: &Path, boxes: usize) -> io::Result<()> {
    let path = dir.display();
    fs::create_dir(dir.join("run"))?;
    fs::write(
        dir.join("daemon.conf"),
        "flat-volumes = no\nenable-shm = no\ndefault-sample-format = float32le\ndefault-sample-rate = 48000\n",
    )?;
    // The protocol comes last: a program that can connect finds all sinks. module-cli reads our end
    // of stdin, which closes however this program dies, and PulseAudio ends with it.
    let remap = |number: usize| {
        let channel = Sink::channel(number);
        format!(
            "load-module module-remap-sink sink_name={} master=both channels=2 channel_map=front-left,front-right \
             master_channel_map={channel},{channel} remix=no\n",
            Sink::Box(number).name()
        )
    };
    let channels = (0..boxes).map(Sink::channel).collect::<Vec<_>>().join(",");
    let script = format!(
        "load-module module-null-sink sink_name=both format=float32le rate={RATE_HZ} channels={boxes} \
         channel_map={channels} norewinds=1\n\
         {}set-default-sink both\n\
         load-module module-cli exit_on_eof=1\n\
         load-module module-native-protocol-unix auth-anonymous=1 auth-cookie-enabled=0 socket={path}/socket\n",
        (0..boxes).map(remap).collect::<String>(),
    );
    fs::write(dir.join("card.pa"), script)?;
    // A second hook, after those of alsa.conf, so that it also overrides /etc/asound.conf and
    // ~/.asoundrc.
    fs::write(
        dir.join("alsa.conf"),
        format!(
            "</usr/share/alsa/alsa.conf>\n@hooks.1 {{\n\tfunc load\n\tfiles [ \"{path}/default.conf\" ]\n\terrors true\n}}\n"
        ),
    )?;
    fs::write(dir.join("default.conf"), "pcm.!default { type pulse }\nctl.!default { type pulse }\n")
}
