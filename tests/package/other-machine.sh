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

# Neither on a Pi without a boot partition.
echo "Raspberry Pi reference" >"$root/etc/rpi-issue"
rm "$root/boot/config.txt"
expect "it installs without a boot partition" install_package
expect "and leaves the clock to others" test ! -e "$root/etc/jaudiosync/keeps-the-clock"
expect "and loads nothing" test ! -e "$root/etc/modules-load.d/jaudiosync.conf"
expect "and goes" inside dpkg -P jaudiosync
