#!/bin/sh
# First start of the collector's host (a Debian image with the aws command line tool): the program from the stack's bucket, and a
# unit that may write its spool and nothing else.
set -eu
aws s3 cp '${program}' /tmp/pregao.deb --region '${region}'
apt-get install -y /tmp/pregao.deb
cat >/etc/systemd/system/pregao-collector.service <<'UNIT'
[Unit]
Description=pregao: the Bitcoin collector
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=/usr/bin/pregao fetch bitcoin --follow --quiet
Environment=AWS_REGION=${region} PREGAO_STREAM_FIREHOSE=${name}-bitcoin PREGAO_LOG_GROUP=${log_group} PREGAO_LAKE=/var/lib/pregao/lake
DynamicUser=yes
StateDirectory=pregao
Restart=always
RestartSec=5
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
LockPersonality=yes
CapabilityBoundingSet=
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --now pregao-collector.service
