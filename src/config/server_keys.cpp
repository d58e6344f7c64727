// The table of keys of belay.toml (spec/interfaces.md §2). Defaults are those of
// domain::ServerConfig: root's.
#include "config/grammar.hpp"
#include "config/kinds.hpp"
#include "config/tables.hpp"

namespace belay::config {
namespace {

using domain::Channel;
using domain::ServerConfig;

Kind<std::string> file_kind(std::string example) {
    return text_kind("a path", std::move(example), check_absolute_path);
}
Kind<std::vector<std::string>> listen_kind(std::string example) {
    return texts_kind("an array of addresses", std::move(example), check_listen);
}

Keys<ServerConfig> tls_keys() {
    return {
        key("cert", file_kind("\"/etc/belay/tls.crt\""), &ServerConfig::tls_cert,
            "the certificate's file, chain included"),
        key("key", file_kind("\"/etc/belay/tls.key\""), &ServerConfig::tls_key, "the key's file"),
    };
}

Keys<ServerConfig> listener_keys() {
    return {
        key("listen", text_kind("an address", "\"127.0.0.1:8080\"", check_listen),
            &ServerConfig::listen,
            "hooks, API, dashboard; and, under public_url's host, through the proxy"),
        key("public_url", text_kind("a URL", "\"https://deploy.example.com\"", check_public_url),
            &ServerConfig::public_url, "where forges reach this server"),
        key("expose", choice({"hooks", "all", "none"}), &ServerConfig::expose,
            "what the proxy shows under public_url"),
        group("tls", tls_keys(), "for `listen`; the files are read again when they change"),
        key("socket", text_kind("a path", "\"/run/belay/belay.sock\"", check_socket_path),
            &ServerConfig::socket,
            "of the command line; not as root $XDG_RUNTIME_DIR/belay/belay.sock"),
        key("group", text_kind("a group", "\"belay\"", check_text), &ServerConfig::group,
            "its members may deploy over the socket; not as root none"),
        key("badges", boolean_kind(), &ServerConfig::badges,
            "/badge/APP.svg and /cctray.xml for everybody", {"there are no badges", {"false"}}),
    };
}

Keys<ServerConfig> path_keys() {
    return {key(
        "state", file_kind("\"/var/lib/belay\""), &ServerConfig::state,
        "belay.db, git/, releases/, logs/, cache/, shared/; not as root $XDG_STATE_HOME/belay")};
}

Keys<ServerConfig> limit_keys() {
    return {
        key("concurrent_deployments", whole_number(1, 64), &ServerConfig::concurrent_deployments,
            "across apps; per app always 1"),
        key("hook_body", size_kind(1'024), &ServerConfig::hook_body,
            "larger deliveries are refused before they are read"),
        key("disk_reserve", size_kind(), &ServerConfig::disk_reserve,
            "below it, new deployments are refused with disk_full, live ones untouched"),
        key("uids", range_kind(1'000, 2'147'483'646), &ServerConfig::uids,
            "three per app: fetch, build, run"),
        key("ports", range_kind(1'024, 65'535), &ServerConfig::ports, "for releases"),
    };
}

Keys<ServerConfig> git_keys() {
    return {
        key("allow", choices_kind("[\"https\", \"ssh\"]", {"https", "ssh", "git", "http", "file"}),
            &ServerConfig::git_allow,
            "`http` and `file` only where named; not as root, `file` is allowed for repositories "
            "of the same user"),
        key("timeout", duration_kind(Millis{1'000}, "\"10m\""), &ServerConfig::git_timeout,
            "of one fetch, all of it"),
    };
}

Keys<ServerConfig> proxy_keys() {
    return {
        key("listen", listen_kind("[\":80\"]"), &ServerConfig::proxy_listen,
            "both families; [] = no shared port; not as root 127.0.0.1:8000"),
        key("tls_listen", listen_kind("[\":443\"]"), &ServerConfig::proxy_tls_listen,
            "the same for HTTPS", {"the proxy speaks plain HTTP", {"[]"}}),
        key("certificates", file_kind("\"/etc/belay/certificates\""), &ServerConfig::certificates,
            "NAME.crt + NAME.key, or NAME/fullchain.pem + privkey.pem; reloaded when changed",
            {"the proxy speaks plain HTTP", {"\"/etc/belay/certificates\""}}),
        key("acme_webroot", file_kind("\"/var/lib/belay/acme\""), &ServerConfig::acme_webroot,
            "answers http-01 for certbot, uacme", {"http-01 is not answered", {"\"\""}}),
        key("trusted_proxies",
            texts_kind("an array of networks", "[\"10.0.0.0/8\"]", check_network),
            &ServerConfig::trusted_proxies, "whose X-Forwarded-* are believed"),
    };
}

Keys<ServerConfig> metrics_keys() {
    return {key("enabled", boolean_kind(), &ServerConfig::metrics,
                "Prometheus text at /metrics, for a token with the role read")};
}

// [notify.NAME] tables; NAME is the user's choice.
Key<ServerConfig> channels_key() {
    Key<ServerConfig> made;
    made.info = {"notify", "table", "", "named channels: [notify.NAME]", "", infos(channel_keys()),
                 true};
    made.read = [](Reading& reading, const std::string& path, const Value& value,
                   ServerConfig& server) {
        if (!value.is(Value::Kind::table)) return complain_no_table(reading, path, value);
        for (const auto& member : value.members) {
            auto where = joined(path, member.key);
            reading.note(where, member.value.place);
            auto name = check_process_name(member.key);
            if (!member.value.is(Value::Kind::table)) {
                if (!complain_misplaced(reading, where, member, value.place))
                    reading.error(member.key_place, where,
                                  "wants a table [" + where +
                                      "], which makes a channel; what is sent to it stands in "
                                      "[notify] of an app's file, or "
                                      "in [defaults.notify]");
                continue;
            }
            if (!name)
                reading.error(member.key_place, where,
                              "is no name for a channel; they have a-z, 0-9 and -");
            Channel channel;
            channel.name = member.key;
            read_table(reading, where, member.value, channel, channel_keys());
            if (member.value.get("type") == nullptr)
                reading.error(member.value.place, joined(where, "type"),
                              "is missing; write type = \"slack\" or another");
            server.channels.push_back(std::move(channel));
        }
    };
    made.write = [](const ServerConfig& server) {
        auto result = table();
        for (const auto& channel : server.channels)
            result.set(channel.name, {}, write_table(channel, channel_keys()));
        return result;
    };
    return made;
}

}  // namespace

const Keys<Channel>& channel_keys() {
    static const Keys<Channel> keys{
        key("type",
            choice({"slack", "discord", "teams", "matrix", "ntfy", "webhook", "email", "exec"}),
            &Channel::type, "needed"),
        key("url", secret_kind(), &Channel::url,
            "slack, discord, teams, webhook: where it is sent; a secret, as many services put a "
            "token into it. ntfy: the server, default https://ntfy.sh"),
        key("secret", secret_kind(), &Channel::secret,
            "webhook: `whsec_...`, with which requests are signed (Standard Webhooks)"),
        key("homeserver", text_kind("a URL", "\"https://matrix.example.com\"", check_public_url),
            &Channel::homeserver, "matrix: the server of the account that writes"),
        key("room", text_kind("a room", "\"!id:example.com\"", check_room), &Channel::room,
            "matrix: the room's internal id, which begins with `!`"),
        key("token", secret_kind(), &Channel::token, "matrix, ntfy: the access token"),
        key("topic", secret_kind(), &Channel::topic,
            "ntfy: a secret, as whoever knows it can read it"),
        key("server", text_kind("a host", "\"mail.example.com:587\"", check_mail_server),
            &Channel::server, "email: host:port; without a port 587, with tls 465, with none 25"),
        key("security", choice({"starttls", "tls", "none"}), &Channel::security,
            "email: `starttls` sends nothing where it is not offered; `none` to this machine only"),
        key("from", text_kind("a mail address", "\"belay@example.com\"", check_mail_address),
            &Channel::from, "email: the sender"),
        key("to",
            texts_kind("an array of mail addresses", "[\"ops@example.com\"]", check_mail_address),
            &Channel::to, "email: who gets it"),
        key("username", text_kind("a name", "\"belay\"", check_text), &Channel::username,
            "email: of the login"),
        key("password", secret_kind(), &Channel::password, "email: of the login"),
        key("run", command_kind(), &Channel::run,
            "exec: gets the alert as JSON on standard input, as the daemon's user"),
        key("ca", file_kind("\"/etc/belay/ca.crt\""), &Channel::ca,
            "a private CA's file, for servers that no public one knows"),
    };
    return keys;
}

const Keys<ServerConfig>& server_keys() {
    static const Keys<ServerConfig> keys{
        group("server", listener_keys(), "where hooks, API and dashboard are served"),
        group("paths", path_keys(), "where things lie"),
        group("limits", limit_keys(), "of the whole server"),
        group("git", git_keys(), "how repositories are reached"),
        group("proxy", proxy_keys(), "where apps are served"),
        group("metrics", metrics_keys(), "for monitoring"),
        channels_key(),
    };
    return keys;
}

const std::vector<KeyInfo>& server_key_infos() {
    static const std::vector<KeyInfo> all = [] {
        auto keys = infos(server_keys());
        keys.push_back({"defaults", "table", "",
                        "anything an app file may say, as a default for all apps", "",
                        app_key_infos(), false});
        return keys;
    }();
    return all;
}

}  // namespace belay::config
