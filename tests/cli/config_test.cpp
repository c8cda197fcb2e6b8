#include "cli/config/config.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runner/jobs/job.hpp"

namespace settle::cli {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t from = 0;
  while (from <= text.size()) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    lines.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return lines;
}

Config parsed(const std::string& text) {
  auto config = parse_config(text, "conf/settle.yaml");
  EXPECT_TRUE(config) << (config ? "" : config.error().detail);
  return config ? *std::move(config) : Config{};
}

TEST(Config, IsAllDefaultsWhenEmpty) {
  const Config config = parsed("");
  EXPECT_EQ(config.listen, "127.0.0.1:9009");
  EXPECT_EQ(config.data_dir, "conf/settle-data");
  EXPECT_EQ(config.tenant, "default");
  EXPECT_TRUE(config.sources.empty());
  EXPECT_TRUE(config.sinks.empty());
  EXPECT_EQ(config.metrics_jobs_max, 500u);
  EXPECT_EQ(config.job_grace, 24h);
  EXPECT_EQ(config.verify_interval, 5min);
  EXPECT_EQ(config.retention.ledger, 24h * 30);
  EXPECT_EQ(config.limits.series_max, 100'000u);
  EXPECT_TRUE(config.warnings.empty());
}

constexpr const char* kFull = R"(
listen: "[::1]:9100"
data_dir: /var/lib/settle
tenant: edge
log_level: debug
job_grace: 0s
metrics: {max_jobs: 7}
store: {max_bytes: 1GiB}
verify: {interval: 0s}
retention: {ledger: 3d, dead_letters: 1d, dead_letter_bytes: 64MiB}
limits:
  series_max: 10
  open_cells_max: 20
  http: {header_bytes_max: 8KiB, body_bytes_max: 2MiB, connections_max: 9, request_timeout: 5s, idle_timeout: 6s}
sources:
  prom:
    kind: prometheus
    url: https://prom.example:9090/prefix/
    headers: {X-Scope-OrgID: team}
    auth: {username: reader, password_file: secrets/prom}
    ca_file: ca.pem
    queries:
      requests: sum by (zone) (increase(http_requests_total[1m]))
    lag: 0s
    liveness: movement
    timeout: 10s
  edge:
    kind: trace
    file: edge.jsonl
sinks:
  vm:
    kind: victoriametrics
    url: http://127.0.0.1:8428
    auth: {bearer_token_file: /run/token}
    default: true
    external_labels: {region: "eu", zone: b}
    queue_rows_max: 1000
    keep_acked: 30s
  prom:
    kind: remote_write
    url: http://127.0.0.1:9090/api/v1/write
    read_url: http://127.0.0.1:9090/
    server: prometheus
    compression: snappy
    stale_markers: true
    out_of_order_window: 10m
  log: {kind: file, file: out.jsonl}
  builtin: {kind: builtin}
jobs:
  - query: requests{zone="a"}
    granularity: 1m
    source: prom
    sketch_type: scalar
    store_path: edge/requests
    sinks: [vm, log]
    labels: {team: "7"}
)";

TEST(Config, ReadsEveryKey) {
  const Config config = parsed(kFull);
  EXPECT_EQ(config.listen, "[::1]:9100");
  EXPECT_EQ(config.data_dir, "/var/lib/settle");
  EXPECT_EQ(config.job_grace, 0s);
  EXPECT_EQ(config.verify_interval, 0s);
  EXPECT_EQ(config.store_bytes_max, 1ull << 30);
  EXPECT_EQ(config.retention.dead_letter_bytes_max, 64ull << 20);
  EXPECT_EQ(config.limits.http.header_bytes_max, 8u << 10);
  EXPECT_EQ(config.limits.http.connections_max, 9u);
  EXPECT_EQ(config.limits.http.idle_timeout, 6s);

  ASSERT_EQ(config.sources.size(), 2u);
  EXPECT_EQ(config.sources[0].name, "edge");
  EXPECT_EQ(config.sources[0].file, "conf/edge.jsonl");
  const SourceConfig& prom = config.sources[1];
  EXPECT_EQ(prom.kind, SourceKind::prometheus);
  EXPECT_EQ(prom.endpoint.url, "https://prom.example:9090/prefix");
  EXPECT_THAT(prom.endpoint.headers, testing::ElementsAre(net::Header{"X-Scope-OrgID", "team"}));
  EXPECT_EQ(prom.endpoint.auth.password_file, "conf/secrets/prom");
  EXPECT_EQ(prom.endpoint.ca_file, "conf/ca.pem");
  EXPECT_EQ(prom.queries.at("requests"), "sum by (zone) (increase(http_requests_total[1m]))");
  EXPECT_EQ(prom.lag, 0s);
  EXPECT_EQ(prom.liveness, engine::Liveness::movement);
  EXPECT_EQ(prom.timeout, 10s);

  ASSERT_EQ(config.sinks.size(), 4u);
  EXPECT_EQ(config.sinks[1].name, "log");
  EXPECT_EQ(config.sinks[1].file, "conf/out.jsonl");
  const SinkConfig& remote = config.sinks[2];
  EXPECT_EQ(remote.kind, SinkKind::remote_write);
  EXPECT_EQ(remote.endpoint.url, "http://127.0.0.1:9090/api/v1/write");
  EXPECT_EQ(remote.read_url, "http://127.0.0.1:9090");
  EXPECT_EQ(remote.server, sinks::RemoteServer::prometheus);
  EXPECT_EQ(remote.compression, sinks::Compression::snappy);
  EXPECT_TRUE(remote.stale_markers);
  EXPECT_EQ(remote.out_of_order_window, 10min);
  const SinkConfig& vm = config.sinks[3];
  EXPECT_TRUE(vm.is_default);
  EXPECT_EQ(vm.external_labels, (engine::Labels{{"region", "eu"}, {"zone", "b"}}));
  EXPECT_EQ(vm.queue_rows_max, 1000u);
  EXPECT_EQ(vm.keep_acked, 30s);

  ASSERT_EQ(config.jobs.size(), 1u);
  EXPECT_EQ(config.jobs[0].place, (Place{50, 5}));
  EXPECT_EQ(config.jobs[0].fields.at("sinks"), (Place{55, 5}));
  EXPECT_EQ(config.jobs[0].json,
            R"({"query":"requests{zone=\"a\"}","granularity":"1m","source":"prom","sketch_type":"scalar",)"
            R"("store_path":"edge/requests","sinks":["vm","log"],"labels":{"team":"7"}})");
}

struct Bad {
  std::string text;
  std::string error;  // the whole text, or its start when it ends in *
};

TEST(Config, RefusesWithFileLineColumnAndWhatToDo) {
  const std::vector<Bad> cases{
      {"lisen: x", "1:1: unknown key \"lisen\"; did you mean \"listen\"?"},
      {"listen: 9009", "1:1: \"listen\" is HOST:PORT*"},
      {"listen: a:99999", "1:1: \"listen\" is HOST:PORT*"},
      {"tenant: a\nlisten: 127.0.0.1:1\ntenant: b",
       "3:1: the key \"tenant\" stands here a second time (first on line 1)"},
      {"tenant:", "1:1: \"tenant\" needs one value; it is empty"},
      {"tenant: " + std::string(65, 't'), "1:1: \"tenant\" is 1 to 64 bytes*"},
      {"tenant: [a]", "1:1: \"tenant\" needs one value, not a list or map"},
      {"zzzzzz: 1", "1:1: unknown key \"zzzzzz\"; known here: listen, *"},
      {"- a", "1:1: expected a map with the keys listen, *"},
      {"store: {max_bytes: 5kB}", "1:20: \"max_bytes\" is a size such as 1048576, 512KiB, *"},
      {"store: {max_bytes: 4096}", "1:9: \"max_bytes\" is at least 16MiB"},
      {"store: {max_bytes: 0}", "1:20: \"max_bytes\" is a size*"},
      {"metrics:\n  max_jobs: many", "2:13: \"max_jobs\" is a whole number from 1 to 1000000, not \"many\""},
      {"job_grace: 1x", "1:12: \"job_grace\": *"},
      {"retention: {ledger: 0s}", "1:21: \"ledger\": *"},
      {"verify: {interval: often}", "1:20: \"interval\": *"},
      {"log_level: loud", "1:12: \"log_level\" is one of debug, info, warn, error, not \"loud\""},
      {"limits: {http: {body: 1}}", "1:17: unknown key \"body\"; did you mean \"body_bytes_max\"?"},
      {"sources:\n  a b: {kind: trace, file: f}",
       "2:3: the name of a source is 1 to 64 of a-z A-Z 0-9 . _ -"},
      {"sources: {a: {file: f}}", "1:14: \"kind\" is missing here"},
      {"sources: {a: {kind: trace}}", "1:14: \"file\" is missing here"},
      {"sources: {a: {kind: csv}}", "1:21: \"kind\" is one of trace, prometheus, not \"csv\""},
      {"sources: {a: {kind: trace, file: f, url: u}}", "1:37: \"url\" means nothing for kind \"trace\""},
      {"sources: {a: {kind: trace, file: f}, a: {kind: trace, file: f}}",
       "1:38: the key \"a\" stands here a second*"},
      {"sources: {a: {kind: prometheus, url: 'http://h'}}", "1:14: a prometheus source needs \"queries\"*"},
      {"sources: {a: {kind: prometheus, url: h, queries: {m: f(x)}}}", "1:33: \"url\" is http://HOST*"},
      {"sources: {a: {kind: prometheus, url: 'ftp://h', queries: {m: f(x)}}}",
       "1:33: \"url\" is http://HOST*"},
      {"sources: {a: {kind: prometheus, url: 'http://h:99999', queries: {m: f(x)}}}",
       "1:33: the port of \"url\" is from 1 to 65535, not 99999"},
      {"sources: {a: {kind: prometheus, url: 'http://u:p@h', queries: {m: f(x)}}}",
       "1:33: a password in a \"url\"*"},
      {"sources: {a: {kind: prometheus, url: 'http://h', queries: {9m: f(x)}}}",
       "1:60: \"9m\" is not a metric name"},
      {"sources: {a: {kind: prometheus, url: 'http://h', queries: {m: f(x)}, auth: {password: x}}}",
       "1:77: unknown key \"password\"; did you mean \"password_file\"?"},
      {"sources: {a: {kind: prometheus, url: 'http://h', queries: {m: f(x)}, auth: {username: x}}}",
       "1:77: basic auth needs both \"username\" and \"password_file\""},
      {"sources: {a: {kind: prometheus, url: 'http://h', queries: {m: f(x)}, headers: {Authorization: x}}}",
       "1:80: \"Authorization\" is a secret, and secrets stay in files: use \"auth\" instead"},
      {"sources: {a: {kind: prometheus, url: 'http://h', queries: {m: f(x)}, headers: {'a b': x}}}",
       "1:80: a header is a name and one line of text*"},
      {"sinks: {a: {kind: file, file: f, default: yes}}", "1:43: \"default\" is true or false, not \"yes\""},
      {"sinks: {a: {kind: file, file: f, default: true}, b: {kind: file, file: g, default: true}}",
       "1:50: \"a\" is already the default sink"},
      {"sinks: {builtin: {kind: file, file: f}}", "1:9: the name \"builtin\" is taken*"},
      {"sinks: {b: {kind: builtin}}", "1:9: a sink of kind builtin is called \"builtin\""},
      {"sinks: {a: {kind: file, file: f, keep_acked: 1s}}",
       "1:34: \"keep_acked\" means nothing for kind \"file\""},
      {"sinks: {a: {kind: victoriametrics, url: 'http://h', stale_markers: true}}",
       "1:53: \"stale_markers\" means nothing for kind \"victoriametrics\""},
      {"sinks: {a: {kind: remote_write, url: 'http://h'}}",
       "1:33: \"url\" of a remote_write sink is the whole address*"},
      {"sinks: {a: {kind: remote_write, url: 'http://h/w', read_url: x}}", "1:52: *"},
      {"sinks: {a: {kind: remote_write, url: 'http://h/w', server: thanos}}", "1:60: \"server\" is one of *"},
      {"sinks: {a: {kind: remote_write, url: 'http://h/w', server: victoriametrics, out_of_order_window: "
       "1h}}",
       "1:77: \"out_of_order_window\" means nothing with \"server: victoriametrics\"*"},
      {"sinks: {a: {kind: remote_write, url: 'http://h/w', compression: gzip}}",
       "1:65: \"compression\" is one of *"},
      {"sinks: {a: {kind: file, file: f, external_labels: {0x: y}}}", "1:52: *"},
      {"sinks: {a: {kind: file, file: f, external_labels: {__name__: y}}}",
       "1:52: a label is a name other than*"},
      {"jobs: {a: b}", "1:7: \"jobs\" is a list, each item with a dash"},
      {"jobs:\n  - query: m\n    granularty: 1m",
       "3:5: unknown key \"granularty\"; did you mean \"granularity\"?"},
      {"jobs:\n  - query: m\n    query: n",
       "3:5: the key \"query\" stands here a second time (first on line 2)"},
      {"a: *b", "1:4: *"},
  };
  for (const Bad& c : cases) {
    const auto config = parse_config(c.text, "s.yaml");
    ASSERT_FALSE(config) << c.text;
    std::string expected = "s.yaml:" + c.error;
    std::string got = config.error().detail;
    if (expected.ends_with('*')) {
      expected.pop_back();
      got = got.substr(0, expected.size());
    }
    EXPECT_EQ(got, expected) << c.text;
  }
}

TEST(Config, GathersAllErrorsInTheOrderOfTheFile) {
  const auto config =
      parse_config("jobs: 3\nsinks: {x: {kind: nope}}\nlisten: 1\nbogus_key_here: 2\n", "s.yaml");
  ASSERT_FALSE(config);
  EXPECT_THAT(lines_of(config.error().detail),
              testing::ElementsAre(testing::StartsWith("s.yaml:1:7: "), testing::StartsWith("s.yaml:2:19: "),
                                   testing::StartsWith("s.yaml:3:1: "), testing::StartsWith("s.yaml:4:1: ")));
}

TEST(Config, WarnsWhereItIsLegalButProbablyWrong) {
  const std::vector<Bad> cases{
      {"listen: 0.0.0.0:9009", "s.yaml:1:1: \"0.0.0.0:9009\" is reachable from other machines*"},
      {"sources: {a: {kind: prometheus, url: 'http://h', queries: {m: 'x{a=\"b\"}'}}}",
       "s.yaml:1:63: the query of \"m\" is a bare selector*"},
      {"sinks: {a: {kind: victoriametrics, url: 'http://h', auth: {bearer_token_file: t}}}",
       "s.yaml:1:36: the secret of \"auth\" goes over the network unencrypted*"},
  };
  for (const Bad& c : cases) {
    const auto config = parse_config(c.text, "s.yaml");
    ASSERT_TRUE(config) << c.text;
    ASSERT_EQ(config->warnings.size(), 1u) << c.text;
    EXPECT_THAT(config->warnings[0], testing::StartsWith(c.error.substr(0, c.error.size() - 1)));
  }
}

TEST(Config, DoesNotWarnAboutWhatIsFine) {
  const Config config = parsed(R"yaml(
listen: localhost:9009
sources:
  a: {kind: prometheus, url: "http://127.0.0.1:9090", auth: {bearer_token_file: t}, queries: {m: "sum(x)"}}
)yaml");
  EXPECT_TRUE(config.warnings.empty());
  EXPECT_EQ(config.listen, "127.0.0.1:9009");  // what the server understands
}

TEST(Config, RefusesAFileThatIsNotThere) {
  const auto config = load_config("/nonexistent/settle.yaml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().detail, "cannot read the configuration \"/nonexistent/settle.yaml\"");
}

// The first cell of every table row of the document, as `prefix.key`.
std::set<std::string> documented_keys() {
  std::ifstream in(SETTLE_DOCS "/configuration.md");
  std::set<std::string> keys;
  std::string line;
  while (std::getline(in, line)) {
    if (!line.starts_with("| `")) continue;
    keys.insert(line.substr(3, line.find('`', 3) - 3));
  }
  return keys;
}

TEST(Config, JobsInTheFileHaveTheFieldsOfTheApi) {
  std::set<std::string_view> in_file;
  for (const KeyTable& table : config_keys()) {
    if (table.prefix == "jobs[]") in_file.insert(table.keys.begin(), table.keys.end());
  }
  EXPECT_EQ(in_file, std::set<std::string_view>(runner::kJobFields.begin(), runner::kJobFields.end()));
}

TEST(Config, DocumentsExactlyTheKeysItReads) {
  std::set<std::string> known;
  for (const KeyTable& table : config_keys()) {
    for (const std::string_view key : table.keys) {
      known.insert((table.prefix.empty() ? "" : std::string(table.prefix) + ".") + std::string(key));
    }
  }
  EXPECT_EQ(documented_keys(), known);
}

}  // namespace
}  // namespace settle::cli
