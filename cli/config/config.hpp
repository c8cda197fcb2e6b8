// cli/config/config.hpp: the YAML configuration as values; docs/configuration.md explains every key.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/config/config_section.hpp"
#include "cli/config/yaml.hpp"
#include "engine/model/series.hpp"
#include "engine/model/time.hpp"
#include "engine/result.hpp"
#include "engine/stabilizer/engine.hpp"
#include "net/http_client.hpp"
#include "net/http_server.hpp"
#include "sinks/remote_write/remote_write.hpp"

namespace settle::cli {

/// Where something stands says nothing about what it is: places never differ.
struct StandsAt {
  Place place{};
  bool operator==(const StandsAt& /*other*/) const { return true; }
};

enum class SourceKind : std::uint8_t { trace = 0, prometheus = 1 };
struct SourceConfig {
  std::string name;
  SourceKind kind = SourceKind::trace;
  engine::Liveness liveness = engine::Liveness::automatic;
  std::string file;  // trace: a JSON lines file, or a folder or file of recorded fetches
  StandsAt file_at;
  net::Endpoint endpoint;                      // prometheus, and what follows
  std::map<std::string, std::string> queries;  // metric -> expression
  engine::Duration lag{std::chrono::seconds{30}};
  std::chrono::milliseconds timeout{30'000};
  bool operator==(const SourceConfig&) const = default;
};

enum class SinkKind : std::uint8_t { builtin = 0, file = 1, victoriametrics = 2, remote_write = 3 };
struct SinkConfig {
  std::string name;
  SinkKind kind = SinkKind::builtin;
  bool is_default = false;
  std::string file;
  net::Endpoint endpoint;  // victoriametrics, remote_write
  std::chrono::milliseconds timeout{30'000};
  engine::Labels external_labels;
  std::uint64_t queue_rows_max = 10'000'000;
  std::chrono::milliseconds keep_acked{120'000};
  std::string read_url;  // remote_write, and what follows
  sinks::RemoteServer server = sinks::RemoteServer::automatic;
  sinks::Compression compression = sinks::Compression::automatic;
  bool stale_markers = false;
  engine::Duration out_of_order_window{0};
  bool operator==(const SinkConfig&) const = default;
};

/// A job as it would be POSTed; runner::parse_job checks what the fields say.
struct JobConfig {
  std::string json;
  Place place;
  std::map<std::string, Place> fields;
};

struct Limits {
  std::uint64_t series_max = 100'000;         // per job
  std::uint64_t open_cells_max = 10'000'000;  // per job
  net::ServerLimits http;
  bool operator==(const Limits&) const = default;
};

struct Retention {
  engine::Duration ledger{std::chrono::hours{24 * 30}};
  engine::Duration dead_letters{std::chrono::hours{24 * 7}};
  std::uint64_t dead_letter_bytes_max = 1ull << 30;
  bool operator==(const Retention&) const = default;
};

struct Config {
  std::string filename;
  std::string listen = "127.0.0.1:9009";
  std::string data_dir = "settle-data";
  std::string tenant = "default";
  std::string log_level = "info";
  std::vector<SourceConfig> sources;  // by name
  std::vector<SinkConfig> sinks;      // by name; `builtin` needs no entry
  std::vector<JobConfig> jobs;
  Limits limits;
  std::uint64_t metrics_jobs_max = 500;  // jobs with a label of their own in /metrics
  engine::Duration job_grace{std::chrono::hours{24}};
  Retention retention;
  /// Between two looks whether sinks have what they acknowledged; 0: never.
  engine::Duration verify_interval{std::chrono::minutes{5}};
  std::uint64_t store_bytes_max = 16ull << 30;
  std::vector<std::string> warnings;  // one line each, with file:line:column
};

/// Everything that is wrong is in the error, one line each: `FILE:LINE:COLUMN: sentence`. Relative paths are
/// taken from the folder of `filename`. Reads no file and no clock.
[[nodiscard]] engine::Result<Config> parse_config(const std::string& text, const std::string& filename);
/// The same, of a file.
[[nodiscard]] engine::Result<Config> load_config(const std::string& filename);

/// Every map and its keys, for the documentation's test.
[[nodiscard]] std::vector<KeyTable> config_keys();

/// `FILE:LINE:COLUMN: `
[[nodiscard]] std::string at(const std::string& filename, Place place);

}  // namespace settle::cli
