# A Debian that is not a Raspberry Pi, although it has a file of that name: the system is not
# touched.

mkdir -p "$root/boot"
printf 'timeout=5\nno newline at the end' >"$root/boot/config.txt"
snapshot before
expect "it installs" install_package
expect "the program runs" inside jaudiosync --version
expect "the Music folder" has_mode /srv/jaudiosync/Music "2775 jaudiosync:jaudiosync"
snapshot installed
folders='/(usr/(lib|share)|etc/avahi)(/[^ ]*)? d '
expect "nothing else is changed" unchanged before installed "$users|jaudiosync|\./var/lib/systemd/|$folders"
expect_not "the program that keeps the clock is not held back" inside test -e /etc/jaudiosync/keeps-the-clock
expect "it is purged" inside dpkg -P jaudiosync
snapshot after
expect "all is as it was" unchanged before after "$users"

# A Pi without a boot partition, as where an image is made and its first partition is not mounted.
echo "Raspberry Pi reference" >"$root/etc/rpi-issue"
rm "$root/boot/config.txt"
expect "it installs without a boot partition" install_package
cp "$work/notes/output" "$work/notes/said"
expect "and says that I2C was not turned on" grep -q "no boot configuration" "$work/notes/said"
expect "but takes the clock" test -e "$root/etc/jaudiosync/keeps-the-clock"
expect "and loads i2c-dev" test -e "$root/etc/modules-load.d/jaudiosync.conf"
make_raspberry_pi <<<'dtparam=audio=on'
expect "once the partition is there" inside dpkg-reconfigure jaudiosync
expect "I2C is turned on" count 1 '^dtparam=i2c_arm=on' boot/firmware/config.txt
expect "and it goes" inside dpkg -P jaudiosync
expect "with all of it" test ! -e "$root/etc/modules-load.d/jaudiosync.conf" -a ! -e "$root/etc/jaudiosync/keeps-the-clock"
