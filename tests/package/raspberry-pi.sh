# A Raspberry Pi OS with every program that competes for the clock: installing, again, a newer
# version, removing, installing again, purging.

boot=$root/boot/firmware/config.txt
make_raspberry_pi <<'TXT'
# For more options and information see http://rptl.io/configtxt
# Uncomment some or all of these to enable the optional hardware interfaces
#dtparam=i2c_arm=on
#dtparam=i2s=on
#dtparam=spi=on

dtparam=audio=on
camera_auto_detect=1

[cm5]
dtoverlay=dwc2,dr_mode=host

[pi4]
arm_boost=1
dtoverlay=i2c-rtc,ds3231
TXT
cp "$boot" "$work/notes/config.txt"
snapshot before

expect "it installs" install_package
snapshot installed
expect "the program runs, and finds its configuration sound" inside jaudiosync config --check
expect "every key of it is a comment: nothing is set" test "$(inside jaudiosync config | grep -c 'config.toml')" = 0
expect "every file of it is root's" test -z "$(inside dpkg -L jaudiosync | inside xargs stat -c '%U:%G %n' | grep -v '^root:root')"
expect "the program" has_mode /usr/bin/jaudiosync "755 root:root"
expect "the configuration" has_mode /etc/jaudiosync/config.toml "644 root:root"
expect "it is a conffile" grep -q /etc/jaudiosync/config.toml "$root/var/lib/dpkg/info/jaudiosync.conffiles"
expect "the Music folder" has_mode /srv/jaudiosync/Music "2775 jaudiosync:jaudiosync"
expect "the user" inside getent passwd jaudiosync
expect "the groups" inside getent group audio i2c gpio jaudiosync
expect "man page, completions, notices" test -e "$root/usr/share/man/man1/jaudiosync.1.gz" -a \
    -e "$root/usr/share/man/man5/jaudiosync.toml.5.gz" -a -e "$root/usr/share/bash-completion/completions/jaudiosync" -a \
    -e "$root/usr/share/zsh/vendor-completions/_jaudiosync" -a -e "$root/usr/share/doc/jaudiosync/third-party-notices.gz"
expect "the guide" test -e "$root/usr/share/doc/jaudiosync/docs/guide/troubleshooting.md" -a \
    -e "$root/usr/share/doc/jaudiosync/docs/terminal.svg"
expect "the unit verifies" test -z "$(inside systemd-analyze verify --man=no jaudiosync.service 2>&1 | grep jaudiosync)"
expect "it contradicts no order in which a box starts" \
    test -z "$(inside systemd-analyze verify --man=no multi-user.target 2>&1 | grep -i -A 5 'ordering cycle')"
expect "the service starts at boot" test -L "$root/etc/systemd/system/multi-user.target.wants/jaudiosync.service"

expect "I2C is on, once" count 1 '^dtparam=i2c_arm=on' boot/firmware/config.txt
expect "it stands below [all]" grep -q -A 1 -Fx '[all]' "$boot"
expect "the kernel does not get the RTC" count 0 '^dtoverlay=i2c-rtc' boot/firmware/config.txt
expect "the original boot configuration is saved" same "$work/notes/config.txt" "$boot.before-jaudiosync"
expect "what the firmware does not read is left alone" count 1 'DO NOT EDIT' boot/config.txt
expect "i2c-dev is loaded at boot" grep -qx i2c-dev "$root/etc/modules-load.d/jaudiosync.conf"
held_back() { [[ $(inside systemd-analyze condition --unit="$1" 2>&1) = *keeps-the-clock\ failed* ]]; }
# Debian 13 loads and saves in units of their own.
fake_hwclock=fake-hwclock
if [ -e "$root/usr/lib/systemd/system/fake-hwclock-load.service" ]; then fake_hwclock=fake-hwclock-load; fi
for unit in systemd-timesyncd "$fake_hwclock"; do
    expect "$unit does not start" held_back "$unit.service"
    expect "$unit stays enabled" inside systemctl is-enabled "$unit.service"
done

expect "it installs twice" install_package
snapshot twice
expect "which changes nothing" unchanged installed twice '\./var/lib/systemd/'

make_version newer 9999-1 's/^#step_percent = 5/#step_percent = 6/'
expect "a newer version installs" install_package /root/newer.deb
expect "its configuration replaces one that was not changed" count 1 '^#step_percent = 6' etc/jaudiosync/config.toml
expect "I2C is still on, once" count 1 '^dtparam=i2c_arm=on' boot/firmware/config.txt
sed -i 's/^#startup_percent = 50/startup_percent = 30/' "$root/etc/jaudiosync/config.toml"
make_version newest 99999-1 's/^#step_percent = 5/#step_percent = 7/'
expect "the newest version installs" inside dpkg --force-confdef --force-confold -i /root/newest.deb
expect "the owner's configuration stays" count 1 '^startup_percent = 30' etc/jaudiosync/config.toml
expect "and is in effect" test "$(inside jaudiosync config | grep -c '^startup_percent = 30 .*config.toml')" = 1

cp "$root/etc/jaudiosync/config.toml" "$work/notes/owner.toml"
expect "it is removed" inside dpkg -r jaudiosync
expect "the boot configuration is as it was" same "$work/notes/config.txt" "$boot"
expect "the copy is gone" test ! -e "$boot.before-jaudiosync"
expect "the owner's configuration is kept" same "$work/notes/owner.toml" "$root/etc/jaudiosync/config.toml"
# The configuration's folder, that of the music, what Avahi announces, which is configuration, too, and
# the link that starts the service.
left=$(find "$root" -name '*jaudiosync*' -not -path '*/var/*' -not -path '*/root/*.deb' -not -path '*/proc/*' | wc -l)
expect "nothing else of it is left" test "$left" = 4

expect "it installs again" inside dpkg --force-confold -i /root/jaudiosync.deb
expect "with I2C" count 1 '^dtparam=i2c_arm=on' boot/firmware/config.txt
expect "with the owner's configuration" same "$work/notes/owner.toml" "$root/etc/jaudiosync/config.toml"

touch "$root/srv/jaudiosync/Music/mine.mp3"
touch "$root/var/lib/jaudiosync/calibration"
# The ride's key.
expect "a ride's key is made" inside jaudiosync ride new-key --write
expect "for the service alone" test "$(inside stat -c '%a %U:%G' /etc/jaudiosync/ride.key)" = "640 root:jaudiosync"
# The state on a partition of its own, which has more on it.
for file in position run session time volume; do touch "$root/srv/jaudiosync/state/$file.json"; done
touch "$root"/srv/jaudiosync/state/{session.json.damaged,.volume.jsonAb3xYz,recorder.jsonl,recorder.old.jsonl,owners.json}
mkdir "$root/srv/jaudiosync/state/lost+found"
echo 'dtparam=spi=on' >>"$boot"
expect "it is purged" inside dpkg -P jaudiosync
expect "of a state elsewhere, what the owner has there stays" \
    test "$(cd "$root/srv/jaudiosync/state" && echo $(ls -A))" = 'lost+found owners.json'
expect "music stays" test -e "$root/srv/jaudiosync/Music/mine.mp3"
rm -r "$root/srv/jaudiosync"
expect "what was changed in the boot configuration meanwhile stays, for every board" \
    test "$(tail -n 2 "$boot")" = $'[all]\ndtparam=spi=on'
sed -i '$d' "$boot"
sed -i '$d' "$boot"
snapshot after
expect "everything else is as it was" unchanged before after "$users"
