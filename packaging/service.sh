# What the scripts of both kinds of packages do; packaging/deb and packaging/rpm put it into them.

# Folders and the certificate with which the configuration can start as it was installed. The authority that has signed it is
# gone afterwards, but for its own certificate: nobody can have it sign anything else. What is there already stays as it is.
make_certificate() {
    chown root:tlsgate /etc/tlsgate /etc/tlsgate/tlsgate.toml
    chmod 0750 /etc/tlsgate
    chmod 0640 /etc/tlsgate/tlsgate.toml
    # Of an installation that was interrupted.
    rm -rf /etc/tlsgate/.new-*
    [ ! -e /etc/tlsgate/certs ] || return 0
    made=$(mktemp -d /etc/tlsgate/.new-XXXXXX)
    tlsgate ca new "$made/ca" --name "tlsgate on this machine" --days 3650 --issuing-days 3650 >/dev/null
    mkdir "$made/certs"
    tlsgate ca issue "$made/ca" localhost 127.0.0.1 ::1 --days 3650 --out "$made/certs" >/dev/null
    chgrp tlsgate "$made/certs" "$made"/certs/* "$made"/certs/*/*
    chmod 0750 "$made/certs" "$made"/certs/*
    chmod 0640 "$made"/certs/*/*
    mv "$made/ca/ca.pem" /etc/tlsgate/localhost-ca.pem
    chmod 0644 /etc/tlsgate/localhost-ca.pem
    mv "$made/certs" /etc/tlsgate/certs
    rm -r "$made"
}

# A property of the service, as systemd knows it.
property() {
    systemctl show --property="$1" --value tlsgate.service
}

# Replaces the process that runs by one of the version that was installed, without a failed connection. Returns whether there is
# another one.
hand_over() {
    process=$(property MainPID) status=$(property StatusText)
    systemctl kill --kill-whom=main --signal=USR2 tlsgate.service || return 1
    # It reads the configuration and loads the certificates first, for a minute at most.
    for second in $(seq 65); do
        sleep 1
        now=$(property MainPID)
        if [ "$now" != 0 ] && [ "$now" != "$process" ]; then return 0; fi
        case "$(property StatusText)" in
        "$status") ;;
        *"no other process has taken over") break ;;
        esac
    done
    echo "tlsgate: after $second seconds no process of the new version has taken over, and the one before goes on. See" >&2
    echo "tlsgate: \"journalctl -u tlsgate\" for the reason. \"systemctl kill --kill-whom=main --signal=USR2 tlsgate\" tries again." >&2
    return 1
}
