#include "cli/config/config.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include "cli/config/config_parts.hpp"

namespace settle::cli {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::array kTopKeys{"listen"sv,    "data_dir"sv, "tenant"sv, "log_level"sv, "sources"sv,
                              "sinks"sv,     "jobs"sv,     "limits"sv, "metrics"sv,   "job_grace"sv,
                              "retention"sv, "store"sv,    "verify"sv};
constexpr std::array kLimitKeys{"series_max"sv, "open_cells_max"sv, "http"sv};
constexpr std::array kHttpKeys{"header_bytes_max"sv, "body_bytes_max"sv, "connections_max"sv,
                               "request_timeout"sv, "idle_timeout"sv};
constexpr std::array kMetricsKeys{"max_jobs"sv};
constexpr std::array kRetentionKeys{"ledger"sv, "dead_letters"sv, "dead_letter_bytes"sv};
constexpr std::array kStoreKeys{"max_bytes"sv};
constexpr std::array kVerifyKeys{"interval"sv};
constexpr std::array kLevels{"debug"sv, "info"sv, "warn"sv, "error"sv};

constexpr KeyTable kTop{"", kTopKeys};
constexpr KeyTable kLimits{"limits", kLimitKeys};
constexpr KeyTable kHttp{"limits.http", kHttpKeys};
constexpr KeyTable kMetrics{"metrics", kMetricsKeys};
constexpr KeyTable kRetention{"retention", kRetentionKeys};
constexpr KeyTable kStore{"store", kStoreKeys};
constexpr KeyTable kVerify{"verify", kVerifyKeys};

Limits read_limits(const Section& top, Problems& problems) {
  Limits limits;
  const Section section(top.find("limits"), kLimits, problems);
  limits.series_max = section.number("series_max", limits.series_max);
  limits.open_cells_max = section.number("open_cells_max", limits.open_cells_max);
  const Section http(section.find("http"), kHttp, problems);
  net::ServerLimits& server = limits.http;
  server.header_bytes_max = http.bytes("header_bytes_max", server.header_bytes_max);
  server.body_bytes_max = http.bytes("body_bytes_max", server.body_bytes_max);
  server.connections_max = http.number("connections_max", server.connections_max, 65'536);
  server.request_timeout = http.duration("request_timeout", server.request_timeout);
  server.idle_timeout = http.duration("idle_timeout", server.idle_timeout);
  return limits;
}

Retention read_retention(const Section& top, Problems& problems) {
  Retention retention;
  const Section section(top.find("retention"), kRetention, problems);
  retention.ledger = section.duration("ledger", retention.ledger);
  retention.dead_letters = section.duration("dead_letters", retention.dead_letters);
  retention.dead_letter_bytes_max = section.bytes("dead_letter_bytes", retention.dead_letter_bytes_max);
  return retention;
}

/// `HOST:PORT` or `[V6]:PORT`; warns when it is more than loopback, for the REST API asks nobody who they
/// are.
std::string read_listen(const Section& top, const std::string& fallback, Problems& problems) {
  std::string listen = top.text("listen", fallback);
  const std::size_t colon = listen.rfind(':');
  const std::string port = colon == std::string::npos ? "" : listen.substr(colon + 1);
  const bool is_port = !port.empty() && port.size() <= 5 &&
                       std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
                       std::stoi(port) <= 65'535;
  if (colon == 0 || !is_port) {
    problems.error(
        top.place("listen"),
        "\"listen\" is HOST:PORT, for example 127.0.0.1:9009 or [::1]:9009, not \"" + listen + "\"");
  } else if (!is_loopback(listen.substr(0, colon))) {
    problems.warn(top.place("listen"), "\"" + listen +
                                           "\" is reachable from other machines, and the REST API " +
                                           "lets everyone who reaches it register and delete jobs");
  }
  // The server takes addresses and asks no resolver.
  if (colon != std::string::npos && listen.substr(0, colon) == "localhost") return "127.0.0.1:" + port;
  return listen;
}

void read_top(const YamlNode& root, const std::string& folder, Config& config, Problems& problems) {
  const Section top(&root, kTop, problems);
  config.listen = read_listen(top, config.listen, problems);
  config.data_dir = resolve_path(top.text("data_dir", config.data_dir), folder);
  config.tenant = top.text("tenant", config.tenant);
  constexpr std::size_t kTenantBytesMax = 64;  // it begins every key of the store
  if (config.tenant.empty() || config.tenant.size() > kTenantBytesMax ||
      config.tenant.find('\0') != std::string::npos) {
    problems.error(top.place("tenant"), "\"tenant\" is 1 to 64 bytes, none of them NUL");
  }
  config.log_level = top.one_of("log_level", config.log_level, kLevels);
  config.job_grace = top.duration("job_grace", config.job_grace, true);
  config.limits = read_limits(top, problems);
  config.retention = read_retention(top, problems);
  const Section metrics(top.find("metrics"), kMetrics, problems);
  config.metrics_jobs_max = metrics.number("max_jobs", config.metrics_jobs_max, 1'000'000);
  const Section verify(top.find("verify"), kVerify, problems);
  config.verify_interval = verify.duration("interval", config.verify_interval, true);
  const Section store(top.find("store"), kStore, problems);
  config.store_bytes_max = store.bytes("max_bytes", config.store_bytes_max);
  constexpr std::uint64_t kStoreBytesMin = 16ull << 20;
  if (config.store_bytes_max < kStoreBytesMin) {
    problems.error(store.place("max_bytes"), "\"max_bytes\" is at least 16MiB");
  }
  config.sources = read_sources(top.find("sources"), folder, problems);
  config.sinks = read_sinks(top.find("sinks"), folder, problems);
  config.jobs = read_jobs(top.find("jobs"), problems);
}

std::string lines_of(std::vector<Problem> problems, const std::string& filename) {
  std::stable_sort(problems.begin(), problems.end(),
                   [](const Problem& a, const Problem& b) { return a.place < b.place; });
  std::string lines;
  for (const Problem& problem : problems) {
    lines += (lines.empty() ? "" : "\n") + at(filename, problem.place) + problem.sentence;
  }
  return lines;
}

}  // namespace

std::string at(const std::string& filename, Place place) {
  return filename + ":" + std::to_string(place.line) + ":" + std::to_string(place.column) + ": ";
}

engine::Result<Config> parse_config(const std::string& text, const std::string& filename) {
  const auto root = parse_yaml(text);
  if (!root) return engine::refused(filename + ":" + root.error().detail);
  Config config;
  config.filename = filename;
  Problems problems;
  read_top(*root, std::filesystem::path(filename).parent_path().string(), config, problems);
  for (const Problem& warning : problems.warnings) {
    config.warnings.push_back(at(filename, warning.place) + warning.sentence);
  }
  if (!problems.errors.empty()) return engine::refused(lines_of(std::move(problems.errors), filename));
  return config;
}

engine::Result<Config> load_config(const std::string& filename) {
  std::ifstream in(filename, std::ios::binary);
  // A folder opens, but does not read.
  if (!in || std::filesystem::is_directory(filename)) {
    return engine::refused("cannot read the configuration \"" + filename + "\"");
  }
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  return parse_config(text, filename);
}

std::vector<KeyTable> config_keys() {
  std::vector<KeyTable> tables{kTop, kLimits, kHttp, kMetrics, kRetention, kStore, kVerify};
  for (const KeyTable& table : part_keys()) tables.push_back(table);
  return tables;
}

}  // namespace settle::cli
