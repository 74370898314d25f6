# scripts/deploy: two running boxes with sshd, one as root and one by sudo; one that does not exist,
# one that refuses, one whose user has no rights. Folders with spaces.

here="$work/a laptop"
mkdir "$here" "$here/My Music" "$here/bikes"
cp "$package" "$here/the package.deb"
cp Music/*.mp3 Music/*.m3u8 "$here/My Music/"
ssh-keygen -q -t ed25519 -N '' -f "$here/key"

second=$work/second
mkdir "$second"
tar -C "$second" --numeric-owner --exclude='./dev/*' -xf "$archive"
mkdir -p "$second/dev" "$second/proc"
port=2201
for box in "$root" "$second"; do
    without_board "$box"
    printf 'ListenAddress 127.0.0.1:%s\nUsePAM no\n' "$port" >"$box/etc/ssh/sshd_config.d/test.conf"
    sed "s/^/[127.0.0.1]:$port /" "$box/etc/ssh/ssh_host_ed25519_key.pub" >>"$here/known hosts"
    port=$((port + 1))
done
install -D -m 600 "$here/key.pub" "$root/root/.ssh/authorized_keys"
for user in pi guest; do
    chroot "$second" useradd --create-home --password '*' "$user"
    install -D -m 644 "$here/key.pub" "$second/home/$user/.ssh/authorized_keys"
done
echo 'pi ALL=(ALL) NOPASSWD: ALL' >"$second/etc/sudoers.d/pi"

cat >"$here/ssh config" <<CONFIG
Host *
    HostName 127.0.0.1
    UserKnownHostsFile "$here/known hosts"
    IdentityFile "$here/key"
    IdentitiesOnly yes
Host first
    User root
    Port 2201
Host second_box.lan
    User pi
    Port 2202
Host guest
    User guest
    Port 2202
Host refuses
    User nobody
    Port 2201
Host away
    User root
    Port 2209
CONFIG

boot "$root" || return
boot "$second" || return
first() { in_box "$root" "$@"; }
other() { in_box "$second" "$@"; }
# With a program that is already built, if there is one; otherwise scripts/deploy builds it.
deploy() { scripts/deploy ${PROGRAM:+--program "$PROGRAM"} --ssh-config "$here/ssh config" --connect-timeout 5 "$@" >"$work/notes/deploy" 2>&1; }
# The last words of the table about a box.
result() { sed -n '/^box /,$p' "$work/notes/deploy" | grep "^$1 " | grep -e "$2" || { cat "$work/notes/deploy" && false; }; }
exits() { local code=$1 && shift && "$@"; [[ $? = "$code" ]] || { cat "$work/notes/deploy" && false; }; }
pattern='[0-9a-f]\{4\}-[0-9a-f]\{4\}-[0-9a-f]\{4\}'
fingerprint=$("${PROGRAM:-${CARGO_TARGET_DIR:-target}/release/jaudiosync}" list --json --music Music | grep -o -m 1 "\"$pattern\"" | tr -d '"')

expect "a dry run" exits 0 deploy --dry-run --package "$here/the package.deb" --music "$here/My Music" first second_box.lan
expect "says what would be done" grep -q '^first: would install .*; has nothing' "$work/notes/deploy"
expect_not "and does nothing" first dpkg -s jaudiosync
expect_not "not even here" test -e "$here/My Music/Playlist.index.json"

expect "five boxes, of which three fail" exits 1 deploy --package "$here/the package.deb" --music "$here/My Music" \
    first away refuses second_box.lan guest first
expect "one as root" result first "$fingerprint .* ok$"
expect "one by sudo" result second_box.lan "$fingerprint .* ok$"
expect "one is not there" result away 'Connection refused$'
expect "one refuses" result refuses 'Permission denied'
expect "the user of one has no rights" result guest 'neither root nor sudo without a password'
expect "of which only the user's own password is missing" grep -qF "ssh -F '$here/ssh config' -t guest \"" "$work/notes/deploy"
# The command to run there, once, by a user who knows the password: here by root.
allowing=$(sed -n 's/^guest .* -t guest "\(.*\)"$/\1/p' "$work/notes/deploy")
expect "a box named twice is one box" test "$(sed -n '/^box /,$p' "$work/notes/deploy" | grep -c '^first ')" = 1
expect "a line of progress for each" test "$(grep -c ': looking$' "$work/notes/deploy")" = 5
for box in first other; do
    expect "$box: the service runs" "$box" systemctl --quiet is-active jaudiosync.service
    expect "$box: the music is the group's" test "$("$box" stat -c '%a %U:%G' /srv/jaudiosync/Music/Playlist.m3u8)" = "664 jaudiosync:jaudiosync"
    expect "$box: its index came along" "$box" test -e /srv/jaudiosync/Music/Playlist.index.json
    expect "$box: nothing is left in /tmp" test -z "$("$box" find /tmp -name 'jaudiosync.*')"
done

other sh -c "$allowing" >/dev/null 2>&1
expect "after the command that is printed, the user may" exits 0 deploy --dry-run --package "$here/the package.deb" guest

before=$(first systemctl show -P MainPID jaudiosync.service)
touch -d '1 hour ago' "$here/My Music/"*.mp3
rm "$here/My Music/"03*
sed -i '/^03/d' "$here/My Music/Playlist.m3u8"
printf '[volume]\nstep_percent = 7\n' >"$here/bikes/second_box.lan.toml"
expect "the music again, without a track" exits 0 deploy --keep-package --delete --music "$here/My Music" first second_box.lan
expect "the track is gone" test "$(first ls /srv/jaudiosync/Music | grep -c mp3)" = 2
expect "both play the same" test "$(sed -n '/^box /,$p' "$work/notes/deploy" | grep -o "$pattern" | sort -u | wc -l)" = 1
expect "the service went on" test "$(first systemctl show -P MainPID jaudiosync.service)" = "$before"

expect "a configuration for one of two" exits 0 deploy --package "$here/the package.deb" --config "$here/bikes" first second_box.lan
expect "it is in effect" test "$(other jaudiosync config | grep -c '^step_percent = 7')" = 1
expect "the other keeps its own" test "$(first jaudiosync config | grep -c '^step_percent = 5')" = 1
printf '[volume]\nstep_percent = 700\n' >"$here/bikes/second_box.lan.toml"
expect "a wrong configuration is refused" exits 1 deploy --keep-package --config "$here/bikes" second_box.lan
expect "and the right one stays" test "$(other jaudiosync config | grep -c '^step_percent = 7 ')" = 1

expect "a new key for both" exits 0 deploy --keep-package --ride-key new first second_box.lan
key=$(sed -n 's/^The new key of the ride.*: //p' "$work/notes/deploy")
expect "it is printed" grep -qE '^([0-9a-z]{4}-){7}[0-9a-z]{4}$' <<<"$key"
for box in first other; do
    expect "$box: it is there" test "$("$box" cat /etc/jaudiosync/ride.key)" = "$key"
    expect "$box: for the service alone" test "$("$box" stat -c '%a %U:%G' /etc/jaudiosync/ride.key)" = "640 root:jaudiosync"
    expect "$box: the service runs with it" "$box" systemctl --quiet is-active jaudiosync.service
    expect "$box: nothing is left in /tmp" test -z "$("$box" find /tmp -name 'jaudiosync.*')"
done
printf '# our ride\n%s\n' "$key" >"$here/ride key"
before=$(first systemctl show -P MainPID jaudiosync.service)
expect "the same key again, from a file" exits 0 deploy --keep-package --ride-key "$here/ride key" first
expect "the box has it already" grep -q 'first: already has' "$work/notes/deploy"
expect "and the service went on" test "$(first systemctl show -P MainPID jaudiosync.service)" = "$before"
expect_not "its progress does not show the key" grep -qF "$key" "$work/notes/deploy"
wrong=$(tr '0-9a-z' '1-90b-za' <<<"$key")
expect "a mistyped key is refused by the box" exits 1 deploy --keep-package --ride-key "$wrong" first
expect "and the right one stays" test "$(first cat /etc/jaudiosync/ride.key)" = "$key"
expect "what is no key at all is refused here" exits 2 deploy --keep-package --ride-key nonsense first
printf '[ride]\nkey = "%s"\n' "$key" >"$here/bikes/second_box.lan.toml"
expect "a configuration with a key" exits 0 deploy --keep-package --config "$here/bikes" second_box.lan
expect "comes first, which is said" exits 1 deploy --keep-package --ride-key "$here/ride key" second_box.lan
expect "with what to do" grep -q 'remove it there' "$work/notes/deploy"

for name in '-oProxyCommand=true' 'two words' 'a/b' '$(true)' ''; do
    expect "no name of a box: '$name'" exits 2 deploy --dry-run -- "$name"
done

end_box "$second"
end_box "$root"
