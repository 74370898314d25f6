# The first start of a card that scripts/image has made: packaging/card/first-boot sets up the Pi, also
# if it is cut off anywhere and begins again, and a step that fails does not keep the Pi from starting.
# A power cut also loses what is not on the disk yet; that is not tried here.

boot=$root/boot/firmware
here=$boot/jaudiosync
log=$here/first-boot.log
before='console=tty1 root=PARTUUID=4e639091-02 rootwait resize'
key=a3kd-a3kd-a3kd-a3kd-a3kd-a3kd-a3kd-a3kd
mkdir -p "$work/notes/Music" && echo 'a.mp3' >"$work/notes/Music/Playlist.m3u8" && echo music >"$work/notes/Music/What? Now!.mp3"
touch "$work/notes/Music/a.mp3"
echo "$key" >"$work/notes/ride.key"
echo 'ssh-ed25519 AAAAC3Nza me@laptop' >"$work/notes/id.pub"
cp "$root/root/jaudiosync.deb" "$work/notes/jaudiosync.deb"

# make_card ARGUMENT...: the card's boot partition, as scripts/image makes it.
make_card() {
    make_raspberry_pi <<<'dtparam=audio=on'
    echo "$before" >"$boot/cmdline.txt"
    # The tests' package is for this machine.
    scripts/image "$boot" --package "$work/notes/jaudiosync.deb" "$@" || return
    # All that is on a FAT can be executed.
    chmod 755 "$here"/*
}
# Runs it as systemd does.
first_boot() { chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin /boot/firmware/jaudiosync/first-boot; }
# Cuts it off as soon as the log has a new line with these words.
cut_off_at() {
    local lines process
    lines=$(wc -l <"$log" 2>/dev/null || echo 0)
    # In a process group of its own, which is that of all that it starts.
    setsid chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin /boot/firmware/jaudiosync/first-boot &
    process=$!
    while kill -0 "$process" 2>/dev/null; do
        if tail -n +$((lines + 1)) "$log" 2>/dev/null | grep -q "$1"; then
            kill -KILL -- "-$process"
            wait "$process" 2>/dev/null
            return 0
        fi
    done
    return 1
}

inside useradd --create-home --uid 1000 pi
printf '127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n' >"$root/etc/hosts"
mkdir -p "$root/var/lib/systemd/rfkill" && echo 1 >"$root/var/lib/systemd/rfkill/platform-3f300000.mmcnr:wlan"
expect "a card is made" make_card --music "$work/notes/Music" --hostname bike-1 --user rider \
    --password-hash '$6$salt$hash' --ssh-key "$work/notes/id.pub" --wifi Ride 'the pedals' --country DE \
    --time-zone UTC --ride-key "$work/notes/ride.key" --dac-overlay hifiberry-dac

for words in 'start 1 on' 'host name is' 'user is' 'may log in' 'starts sooner' 'Unpacking jaudiosync' 'Setting up jaudiosync' 'installed:' 'music:'; do
    expect "it is cut off at \"$words\"" cut_off_at "$words"
    expect "and begins again at the next start" grep -q 'jaudiosync/first-boot' "$boot/cmdline.txt"
done
expect "it ends" first_boot
expect "well" grep -q 'done; the Pi starts again' "$log"
expect_not "no step has failed" grep -q FAILED "$log"
expect "the next start is a usual one" test "$(cat "$boot/cmdline.txt")" = "$before cfg80211.ieee80211_regdom=DE"
expect "the host name" test "$(cat "$root/etc/hostname")" = bike-1
expect "is known" count 1 '^127.0.1.1[[:space:]]bike-1$' etc/hosts
expect "the user" test "$(inside id -nu 1000)" = rider
expect "who has a password" count 1 '^rider:$6$salt$hash:' etc/shadow
expect "and may control the box" grep -qw jaudiosync <(inside id -nG rider)
expect "and log in" has_mode /home/rider/.ssh/authorized_keys "600 rider:$(inside id -ng 1000)"
expect "over ssh" inside systemctl is-enabled ssh.service
expect "the Wi-Fi" has_mode /etc/NetworkManager/system-connections/jaudiosync-wifi-1.nmconnection "600 root:root"
expect "whose radio is on" test "$(cat "$root"/var/lib/systemd/rfkill/*)" = 0
expect "the package" grep -q '^ii' <(inside dpkg-query --show --showformat '${db:Status-Abbrev}' jaudiosync)
expect "nothing of dpkg's is half done" test -z "$(inside dpkg --audit)"
expect "services may start again" test ! -e "$root/usr/sbin/policy-rc.d" -a ! -L "$root/usr/sbin/policy-rc.d"
expect "I2C is on" count 1 '^dtparam=i2c_arm=on' boot/firmware/config.txt
expect "and the sound card's overlay" count 1 '^dtoverlay=hifiberry-dac' boot/firmware/config.txt
expect "it starts sooner" count 1 '^boot_delay=0$' boot/firmware/config.txt
expect "without a picture" count 1 '^disable_splash=1$' boot/firmware/config.txt
expect "with the full clock, on boards whose firmware ends that" test \
    "$(grep -B 1 '^initial_turbo=30$' "$boot/config.txt" | grep -v '^--$' | tr '\n' ' ')" = \
    '[pi02] initial_turbo=30 [pi3] initial_turbo=30 [pi4] initial_turbo=30 '
expect "all that follows is for every board" test "$(grep -A 1 '^initial_turbo' "$boot/config.txt" | tail -n 1)" = '[all]'
expect "the package gives it back" count 1 '^boot_delay=0$' boot/firmware/config.txt.before-jaudiosync
expect "the music" has_mode "/srv/jaudiosync/Music/What? Now!.mp3" "664 jaudiosync:jaudiosync"
expect "the ride's key" has_mode /etc/jaudiosync/ride.key "640 root:jaudiosync"
expect "is the one that was given" grep -qx "$key" "$root/etc/jaudiosync/ride.key"
expect "no secret is left where all can read it" test "$(cd "$here" && echo *)" = "first-boot first-boot.log id"
expect "once more, as after a cut at the very end" first_boot
expect "changes nothing" test "$(cat "$boot/cmdline.txt")" = "$before cfg80211.ieee80211_regdom=DE"

# The same card again, for another box: only what was given changes.
expect "scripts/image may be run on the card again" make_card --hostname bike-2
expect "it ends" first_boot
expect "the host name is the new one" test "$(cat "$root/etc/hostname")" = bike-2
expect "the user stays" test "$(inside id -nu 1000)" = rider

# What an owner has set in config.txt stays, also if the last line has no end.
expect "a card with settings of its owner's is made" make_card --hostname bike-2
printf '[pi4]\r\nboot_delay=3\r\narm_freq=1200' >"$boot/config.txt"
expect "it ends" first_boot
expect "the owner's delay counts" count 1 '^boot_delay=' boot/firmware/config.txt
expect "the owner's clock, too" count 0 initial_turbo boot/firmware/config.txt
expect "the rest is added, for every board" test "$(grep -A 2 -F 'JAudioSync: the box' "$boot/config.txt" | tail -n 2)" = \
    $'[all]\ndisable_splash=1'
expect "below the owner's last line" count 1 '^arm_freq=1200$' boot/firmware/config.txt
expect "once more" make_card --hostname bike-2
echo dtparam=audio=on >"$boot/config.txt"
sed -i 's/ rootwait//' "$boot/cmdline.txt"
expect "it ends" first_boot
expect "where the kernel does not wait for the card, the firmware does" count 0 '^boot_delay=' boot/firmware/config.txt

# A package that cannot be installed.
make_version needy 9999-1 ''
dpkg-deb -R "$root/root/needy.deb" "$work/notes/needy"
sed -i 's/^Depends: /&nothing-has-this, /' "$work/notes/needy/DEBIAN/control"
dpkg-deb --root-owner-group -Znone -b "$work/notes/needy" "$work/notes/jaudiosync.deb" >/dev/null
expect "a card whose package lacks something is made" make_card --hostname bike-3
for number in 1 2 3; do
    expect "start $number" first_boot
    if [ $number != 3 ]; then expect "it is tried again" grep -q 'jaudiosync/first-boot' "$boot/cmdline.txt"; fi
done
expect "then the Pi starts as usual" test "$(cat "$boot/cmdline.txt")" = "$before"
expect "the log says which step failed" grep -q 'FAILED: install_package' "$log"
expect "and what is missing" grep -q 'nothing-has-this' "$log"
expect "and what to do" grep -q 'run scripts/image on the card again' "$log"
expect "services may start" test ! -L "$root/usr/sbin/policy-rc.d"
