#include "cli/config/config_parts.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <boost/url/parse.hpp>

#include "engine/promql/selector.hpp"
#include "runner/jobs/job.hpp"

namespace settle::cli {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::array kSourceKinds{"trace"sv, "prometheus"sv};
constexpr std::array kSinkKinds{"builtin"sv, "file"sv, "victoriametrics"sv, "remote_write"sv};
// In the order of sinks::RemoteServer, sinks::Compression and engine::Liveness.
constexpr std::array kRemoteServers{"auto"sv, "prometheus"sv, "victoriametrics"sv, "other"sv};
constexpr std::array kCompressions{"auto"sv, "snappy"sv, "zstd"sv};
constexpr std::array kLivenesses{"auto"sv, "frontier"sv, "movement"sv, "answers"sv};

/// The keys of these tables, in their order.
template <std::size_t... Sizes>
constexpr auto joined(const std::array<std::string_view, Sizes>&... tables) {
  std::array<std::string_view, (Sizes + ...)> all{};
  auto end = all.begin();
  ((end = std::copy(tables.begin(), tables.end(), end)), ...);
  return all;
}

// One table for all kinds, so that a key of another kind is told from a mistyped one.
constexpr std::array kAnySourceKeys{"kind"sv, "liveness"sv};
constexpr std::array kFileKeys{"file"sv};
constexpr std::array kEndpointKeys{"url"sv, "headers"sv, "auth"sv, "ca_file"sv};
constexpr std::array kQueryKeys{"queries"sv, "lag"sv, "timeout"sv};
constexpr auto kTraceKeys = joined(kAnySourceKeys, kFileKeys);
constexpr auto kPrometheusKeys = joined(kAnySourceKeys, kEndpointKeys, kQueryKeys);
constexpr auto kSourceKeys = joined(kTraceKeys, kEndpointKeys, kQueryKeys);

constexpr std::array kBuiltinKeys{"kind"sv, "default"sv};
constexpr std::array kFileSinkKeys{"kind"sv, "default"sv, "file"sv, "external_labels"sv, "queue_rows_max"sv};
constexpr auto kServerKeys =
    joined(kEndpointKeys, std::array{"timeout"sv, "external_labels"sv, "queue_rows_max"sv, "keep_acked"sv});
constexpr std::array kWriteKeys{"read_url"sv, "server"sv, "compression"sv, "stale_markers"sv,
                                "out_of_order_window"sv};
constexpr auto kVictoriaMetricsKeys = joined(kBuiltinKeys, kServerKeys);
constexpr auto kRemoteWriteKeys = joined(kVictoriaMetricsKeys, kWriteKeys);
constexpr auto kSinkKeys = joined(kBuiltinKeys, kFileKeys, kServerKeys, kWriteKeys);

constexpr std::array kAuthKeys{"bearer_token_file"sv, "username"sv, "password_file"sv};

constexpr KeyTable kSource{"sources.<name>", kSourceKeys};
constexpr KeyTable kSink{"sinks.<name>", kSinkKeys};
constexpr KeyTable kSourceAuth{"sources.<name>.auth", kAuthKeys};
constexpr KeyTable kSinkAuth{"sinks.<name>.auth", kAuthKeys};
constexpr KeyTable kJob{"jobs[]", runner::kJobFields};

/// The enumerator that stands where the key's word stands in `words`; the first, if it is not given.
template <class Enum>
Enum read_choice(const Section& section, std::string_view key, std::span<const std::string_view> words) {
  const std::string word = section.one_of(key, words.front(), words);
  const auto found = std::find(words.begin(), words.end(), word);
  return static_cast<Enum>(found == words.end() ? 0 : found - words.begin());
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::vector<net::Header> read_headers(const YamlNode* node, Problems& problems) {
  std::vector<net::Header> headers;
  for (const YamlEntry* entry : free_entries(node, "header names and values", problems)) {
    const std::string name = lower(entry->key);
    if (name == "authorization" || name == "proxy-authorization" || name == "cookie") {
      problems.error(entry->place,
                     "\"" + entry->key + "\" is a secret, and secrets stay in files: use \"auth\" instead");
    } else if (entry->value.kind != YamlNode::Kind::scalar || entry->key.empty() ||
               entry->key.find_first_of(" :\r\n") != std::string::npos ||
               entry->value.text.find_first_of("\r\n") != std::string::npos) {
      problems.error(entry->place,
                     "a header is a name and one line of text, for example X-Scope-OrgID: team");
    } else {
      headers.push_back({.name = entry->key, .value = entry->value.text});
    }
  }
  return headers;
}

net::Auth read_auth(const Section& parent, const KeyTable& table, const std::string& folder,
                    Problems& problems) {
  const Section section(parent.find("auth"), table, problems);
  net::Auth auth;
  auth.bearer_token_file = resolve_path(section.text("bearer_token_file", ""), folder);
  auth.username = section.text("username", "");
  auth.password_file = resolve_path(section.text("password_file", ""), folder);
  if (auth.username.empty() != auth.password_file.empty()) {
    problems.error(section.place("username"), "basic auth needs both \"username\" and \"password_file\"");
  } else if (!auth.username.empty() && !auth.bearer_token_file.empty()) {
    problems.error(section.place("username"), "either \"bearer_token_file\" or \"username\", not both");
  }
  return auth;
}

void check_url(const std::string& url, const net::Auth& auth, Place place, Problems& problems) {
  const auto parsed = boost::urls::parse_absolute_uri(url);
  if (!parsed || (parsed->scheme() != "http" && parsed->scheme() != "https") || parsed->host().empty()) {
    problems.error(place, "\"url\" is http://HOST[:PORT][/PATH] or https://…, not \"" + url + "\"");
    return;
  }
  // Digits, by the grammar; Boost's port_number() says nothing of what is too large.
  const std::string port{parsed->port()};
  if (!port.empty() && (port.size() > 5 || std::stoi(port) < 1 || std::stoi(port) > 65'535)) {
    problems.error(place, "the port of \"url\" is from 1 to 65535, not " + port);
  }
  if (parsed->has_userinfo()) {
    problems.error(place, "a password in a \"url\" ends up in logs: use \"auth\" with password_file");
  } else if (parsed->has_query()) {
    problems.error(place, "\"url\" has no query string: Settle appends its own path and parameters");
  }
  const bool has_secret = !auth.bearer_token_file.empty() || !auth.password_file.empty();
  if (has_secret && parsed->scheme() == "http" && !is_loopback(std::string(parsed->host()))) {
    problems.warn(place, "the secret of \"auth\" goes over the network unencrypted: use https");
  }
}

net::Endpoint read_endpoint(const Section& section, const KeyTable& auth, const std::string& folder,
                            Problems& problems) {
  net::Endpoint endpoint;
  endpoint.url = section.required_text("url");
  endpoint.headers = read_headers(section.find("headers"), problems);
  endpoint.auth = read_auth(section, auth, folder, problems);
  endpoint.ca_file = resolve_path(section.text("ca_file", ""), folder);
  if (!endpoint.url.empty()) check_url(endpoint.url, endpoint.auth, section.place("url"), problems);
  while (endpoint.url.ends_with('/')) endpoint.url.pop_back();
  return endpoint;
}

/// Reports keys that belong to another kind.
void check_kind_keys(const YamlNode& node, std::span<const std::string_view> all,
                     std::span<const std::string_view> of_kind, const std::string& kind, Problems& problems) {
  for (const YamlEntry& entry : node.entries) {
    const auto is_in = [&entry](std::span<const std::string_view> keys) {
      return std::find(keys.begin(), keys.end(), entry.key) != keys.end();
    };
    if (is_in(all) && !is_in(of_kind)) {
      problems.error(entry.place, "\"" + entry.key + "\" means nothing for kind \"" + kind + "\"");
    }
  }
}

std::map<std::string, std::string> read_queries(const Section& section, Problems& problems) {
  std::map<std::string, std::string> queries;
  const YamlNode* node = section.find("queries");
  for (const YamlEntry* entry : free_entries(node, "metric names and PromQL expressions", problems)) {
    const auto name = engine::normalize_labels({{std::string(engine::kMetricNameLabel), entry->key}});
    if (!name) {
      problems.error(entry->place, "\"" + entry->key + "\" is not a metric name");
    } else if (entry->value.kind != YamlNode::Kind::scalar || entry->value.text.empty()) {
      problems.error(entry->place, "the query of \"" + entry->key + "\" is one PromQL expression");
    } else {
      if (engine::parse_selector(entry->value.text)) {
        problems.warn(entry->value.place,
                      "the query of \"" + entry->key +
                          "\" is a bare selector: each bucket gets only the newest " +
                          "sample at its end; an expression over the bucket, for example " +
                          "increase(m[1m]) at granularity 1m, takes in all of it");
      }
      queries[entry->key] = entry->value.text;
    }
  }
  if (node == nullptr || node->entries.empty()) {
    problems.error(section.place("queries"),
                   "a prometheus source needs \"queries\": metric name: PromQL expression");
  }
  return queries;
}

/// Names become key parts of the store, metric labels and query parameters.
bool check_name(const YamlEntry& entry, std::string_view what, Problems& problems) {
  const bool is_good = !entry.key.empty() && entry.key.size() <= 64 &&
                       entry.key.find_first_not_of(
                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                           "._-") == std::string::npos;
  if (!is_good) {
    problems.error(entry.place, "the name of a " + std::string(what) + " is 1 to 64 of a-z A-Z 0-9 . _ -");
  }
  return is_good;
}

SourceConfig read_source(const YamlEntry& entry, const std::string& folder, Problems& problems) {
  SourceConfig source;
  source.name = entry.key;
  const Section section(&entry.value, kSource, problems);
  source.liveness = read_choice<engine::Liveness>(section, "liveness", kLivenesses);
  if (section.required_text("kind").empty()) return source;
  const std::string kind = section.one_of("kind", "", kSourceKinds);
  if (kind == "trace") {
    check_kind_keys(entry.value, kSourceKeys, kTraceKeys, kind, problems);
    source.file = resolve_path(section.required_text("file"), folder);
    source.file_at = {section.place("file")};
  } else if (kind == "prometheus") {
    source.kind = SourceKind::prometheus;
    // Its frontier is now - lag, which advances also while its data stand still.
    if (source.liveness == engine::Liveness::automatic) source.liveness = engine::Liveness::movement;
    check_kind_keys(entry.value, kSourceKeys, kPrometheusKeys, kind, problems);
    source.endpoint = read_endpoint(section, kSourceAuth, folder, problems);
    source.queries = read_queries(section, problems);
    source.lag = section.duration("lag", source.lag, true);
    source.timeout = section.duration("timeout", source.timeout);
  }
  return source;
}

engine::Labels read_labels(const YamlNode* node, Problems& problems) {
  engine::Labels labels;
  for (const YamlEntry* entry : free_entries(node, "label names and values", problems)) {
    if (entry->value.kind != YamlNode::Kind::scalar || entry->key == engine::kMetricNameLabel) {
      problems.error(entry->place, "a label is a name other than __name__ and one text");
      continue;
    }
    engine::Labels one{{entry->key, entry->value.text}};
    const auto checked = engine::normalize_labels(one, false);
    if (!checked) problems.error(entry->place, checked.error().detail);
    labels.push_back(one.front());
  }
  auto all = engine::normalize_labels(labels, false);
  return all ? std::move(*all) : engine::Labels{};
}

void read_server(const Section& section, const std::string& folder, SinkConfig& sink, Problems& problems) {
  sink.endpoint = read_endpoint(section, kSinkAuth, folder, problems);
  sink.timeout = section.duration("timeout", sink.timeout);
  sink.keep_acked = section.duration("keep_acked", sink.keep_acked, true);
}

void read_remote_write(const Section& section, SinkConfig& sink, Problems& problems) {
  const auto url = boost::urls::parse_absolute_uri(sink.endpoint.url);
  if (url && url->encoded_path().empty()) {
    problems.error(section.place("url"),
                   "\"url\" of a remote_write sink is the whole address that takes the rows, for example " +
                       sink.endpoint.url + "/api/v1/write");
  }
  sink.read_url = section.text("read_url", "");
  if (!sink.read_url.empty())
    check_url(sink.read_url, sink.endpoint.auth, section.place("read_url"), problems);
  while (sink.read_url.ends_with('/')) sink.read_url.pop_back();
  sink.server = read_choice<sinks::RemoteServer>(section, "server", kRemoteServers);
  sink.compression = read_choice<sinks::Compression>(section, "compression", kCompressions);
  sink.stale_markers = section.flag("stale_markers", false);
  constexpr const char* kWindow = "out_of_order_window";
  sink.out_of_order_window = section.duration(kWindow, sink.out_of_order_window, true);
  if (sink.server == sinks::RemoteServer::victoriametrics && section.find(kWindow) != nullptr) {
    problems.error(
        section.place(kWindow),
        "\"out_of_order_window\" means nothing with \"server: victoriametrics\", which takes samples "
        "in any order: leave one of the two out");
  }
}

SinkConfig read_sink(const YamlEntry& entry, const std::string& folder, Problems& problems) {
  SinkConfig sink;
  sink.name = entry.key;
  const Section section(&entry.value, kSink, problems);
  sink.is_default = section.flag("default", false);
  if (section.required_text("kind").empty()) return sink;
  const std::string kind = section.one_of("kind", "", kSinkKinds);
  if (sink.name == "builtin" && kind != "builtin") {
    problems.error(entry.place, "the name \"builtin\" is taken by the sink that keeps results in the store");
  }
  if (kind == "builtin") {
    check_kind_keys(entry.value, kSinkKeys, kBuiltinKeys, kind, problems);
    if (sink.name != "builtin") problems.error(entry.place, "a sink of kind builtin is called \"builtin\"");
  } else if (kind == "file") {
    sink.kind = SinkKind::file;
    check_kind_keys(entry.value, kSinkKeys, kFileSinkKeys, kind, problems);
    sink.file = resolve_path(section.required_text("file"), folder);
  } else if (kind == "victoriametrics") {
    sink.kind = SinkKind::victoriametrics;
    check_kind_keys(entry.value, kSinkKeys, kVictoriaMetricsKeys, kind, problems);
    read_server(section, folder, sink, problems);
  } else if (kind == "remote_write") {
    sink.kind = SinkKind::remote_write;
    check_kind_keys(entry.value, kSinkKeys, kRemoteWriteKeys, kind, problems);
    read_server(section, folder, sink, problems);
    read_remote_write(section, sink, problems);
  }
  sink.external_labels = read_labels(section.find("external_labels"), problems);
  sink.queue_rows_max = section.number("queue_rows_max", sink.queue_rows_max);
  return sink;
}

/// Plain words that JSON knows keep their type; everything else, and whatever is quoted, is a string.
boost::json::value json_of(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null:
      return nullptr;
    case YamlNode::Kind::sequence: {
      boost::json::array items;
      for (const YamlNode& item : node.items) items.push_back(json_of(item));
      return items;
    }
    case YamlNode::Kind::map: {
      boost::json::object object;
      for (const YamlEntry& entry : node.entries) object[entry.key] = json_of(entry.value);
      return object;
    }
    case YamlNode::Kind::scalar:
      break;
  }
  if (!node.quoted && (node.text == "true" || node.text == "false")) return node.text == "true";
  return boost::json::string(node.text);
}

}  // namespace

std::vector<SourceConfig> read_sources(const YamlNode* node, const std::string& folder, Problems& problems) {
  std::vector<SourceConfig> sources;
  for (const YamlEntry* entry : free_entries(node, "source names", problems)) {
    if (check_name(*entry, "source", problems)) sources.push_back(read_source(*entry, folder, problems));
  }
  std::sort(sources.begin(), sources.end(),
            [](const SourceConfig& a, const SourceConfig& b) { return a.name < b.name; });
  return sources;
}

std::vector<SinkConfig> read_sinks(const YamlNode* node, const std::string& folder, Problems& problems) {
  std::vector<SinkConfig> sinks;
  std::string holder;
  std::map<std::string, std::string> writers;  // file -> sink
  for (const YamlEntry* entry : free_entries(node, "sink names", problems)) {
    if (!check_name(*entry, "sink", problems)) continue;
    sinks.push_back(read_sink(*entry, folder, problems));
    if (const std::string& file = sinks.back().file; !file.empty()) {
      const std::string same = std::filesystem::path(file).lexically_normal().string();
      const auto [writer, is_new] = writers.emplace(same, entry->key);
      if (!is_new) {
        problems.error(entry->place, "\"" + writer->second + "\" already writes to " + writer->first +
                                         "; each sink needs a file of its own");
      }
    }
    if (!sinks.back().is_default) continue;
    if (!holder.empty()) problems.error(entry->place, "\"" + holder + "\" is already the default sink");
    holder = entry->key;
  }
  std::sort(sinks.begin(), sinks.end(),
            [](const SinkConfig& a, const SinkConfig& b) { return a.name < b.name; });
  return sinks;
}

std::vector<JobConfig> read_jobs(const YamlNode* node, Problems& problems) {
  std::vector<JobConfig> jobs;
  if (node == nullptr || node->kind == YamlNode::Kind::null) return jobs;
  if (node->kind != YamlNode::Kind::sequence) {
    problems.error(node->place, "\"jobs\" is a list, each item with a dash");
    return jobs;
  }
  for (const YamlNode& item : node->items) {
    const Section section(&item, kJob, problems);
    if (item.kind != YamlNode::Kind::map) continue;
    JobConfig job;
    job.place = item.place;
    for (const YamlEntry& entry : item.entries) {
      job.fields.emplace(entry.key, entry.place);
      if (entry.value.kind == YamlNode::Kind::map) (void)free_entries(&entry.value, "labels", problems);
    }
    job.json = boost::json::serialize(json_of(item));
    jobs.push_back(std::move(job));
  }
  return jobs;
}

std::vector<KeyTable> part_keys() {
  return {kSource, kSourceAuth, kSink, kSinkAuth, kJob};
}

std::string resolve_path(const std::string& path, const std::string& folder) {
  if (path.empty() || folder.empty()) return path;
  return (std::filesystem::path(folder) / path).lexically_normal().string();
}

bool is_loopback(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace settle::cli
