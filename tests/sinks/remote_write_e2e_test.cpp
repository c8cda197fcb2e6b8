// The remote_write sink against a real Prometheus 2.42 and a real VictoriaMetrics 1.79.5.
#include <chrono>

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <gmock/gmock.h>

#include "engine/model/time.hpp"
#include "sinks/remote_write/remote_write.hpp"
#include "sinks/remote_write/remote_write_body.hpp"
#include "tests/support/loopback.hpp"
#include "tests/support/server_process.hpp"

namespace settle::sinks {
namespace {

namespace asio = boost::asio;
using engine::Duration;
using engine::Time;
using engine::Value;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Duration kMinute = std::chrono::minutes{1};

Row row(std::string series, Time at, Value value) {
  Row one;
  one.series = std::move(series);
  one.timestamp = at;
  one.value = value;
  return one;
}

std::vector<std::string> texts(const std::vector<StoredSample>& samples, Time origin) {
  std::vector<std::string> found;
  for (const StoredSample& one : samples) {
    found.push_back(one.series + " " + std::to_string((one.timestamp - origin).count()) + " " +
                    engine::format_value(one.value));
  }
  return found;
}

class RemoteWriteE2e : public ::testing::Test {
 protected:
  void make(RemoteWriteOptions options = {}) {
    ASSERT_TRUE(server_);
    options.name = "tsdb";
    options.endpoint.url = server_->url() + "/api/v1/write";
    sink_ = std::make_unique<RemoteWrite>(client_, options);
    health_ = test::result_of(context_, sink_->check());
    ASSERT_TRUE(health_.reachable) << health_.server;
  }
  PushOutcome push(std::vector<Row> rows) { return test::result_of(context_, sink_->push(std::move(rows))); }
  std::vector<bool> holds(std::vector<Row> rows) {
    const auto held = test::result_of(context_, sink_->holds(std::move(rows)));
    EXPECT_TRUE(held) << held.error().detail;
    return held ? *held : std::vector<bool>{};
  }
  std::vector<StoredSample> stored(std::vector<std::string> series, engine::TimeRange timestamps) {
    const auto found = test::result_of(context_, sink_->stored(std::move(series), timestamps));
    EXPECT_TRUE(found) << found.error().detail;
    return found ? *found : std::vector<StoredSample>{};
  }
  /// The answer to a body that is sent by hand as zstd.
  int status_of_zstd(const std::vector<Row>& rows) {
    net::ClientRequest request;
    request.method = "POST";
    request.endpoint.url = server_->url();
    request.path = "/api/v1/write";
    request.headers = {{"Content-Type", "application/x-protobuf"},
                       {"Content-Encoding", "zstd"},
                       {"X-VictoriaMetrics-Remote-Write-Version", "1"}};
    request.body = compress_zstd(encode_write_request(rows));
    const net::ClientResult result = test::result_of(context_, client_.send(std::move(request)));
    return result.status;
  }
  /// How many series an instant query shows.
  std::size_t shown(const std::string& query, Time at) {
    net::ClientRequest request;
    request.endpoint.url = server_->url();
    request.path = "/api/v1/query?query=" + net::url_encode(query) +
                   "&time=" + std::to_string(engine::epoch_ms(at) / 1000) + "&nocache=1";
    const net::ClientResult result = test::result_of(context_, client_.send(std::move(request)));
    EXPECT_EQ(result.status, 200) << result.body;
    const auto answer = boost::json::parse(result.body);
    return answer.at("data").at("result").as_array().size();
  }
  /// Many rows of several series, shapes of labels and kinds of numbers, in no order.
  std::vector<Row> many_rows() const {
    std::vector<Row> rows;
    for (int minute = 9; minute >= 0; --minute) {
      for (int i = 0; i < 120; ++i) {
        const std::string n = std::to_string(i);
        std::string series = "m{i=\"" + n + "\"}";
        if (i % 3 == 1) series = "m{Zone=\"q\\\"|\\\\.*\u00e9\u4e16\\n\",i=\"" + n + "\"}";
        if (i % 3 == 2) series = "n:x{__a=\"1\",i=\"" + n + "\"}";
        const Value value = i % 2 == 0 ? Value::count((1ull << 53) - static_cast<std::uint64_t>(minute * i))
                                       : Value::number(0.125 * i - minute);
        rows.push_back(row(series, start_ + minute * kMinute, value));
      }
    }
    return rows;
  }
  static std::vector<std::string> series_of(const std::vector<Row>& rows) {
    std::vector<std::string> series;
    for (const Row& one : rows) series.emplace_back(one.series.view());
    return series;
  }
  /// Exactly what was written is there, once, and `holds` says the same.
  void expect_round_trip() {
    const std::vector<Row> rows = many_rows();
    const PushOutcome outcome = push(rows);
    ASSERT_EQ(outcome.verdict, PushVerdict::accepted) << outcome.detail;
    // Neighbours that are not asked for.
    ASSERT_EQ(push({row("m{i=\"1\",more=\"1\"}", start_, Value::count(1))}).verdict, PushVerdict::accepted);
    const std::vector<StoredSample> found = stored(series_of(rows), {start_, start_ + 10 * kMinute});
    ASSERT_EQ(found.size(), rows.size());
    for (const StoredSample& one : found) {
      const auto sent = std::find_if(rows.begin(), rows.end(), [&one](const Row& each) {
        return each.series.view() == one.series && each.timestamp == one.timestamp;
      });
      ASSERT_NE(sent, rows.end()) << one.series;
      EXPECT_EQ(one.value, sent->value) << one.series;
    }
    // The range is half-open, to the millisecond.
    EXPECT_EQ(stored({"m{i=\"0\"}"}, {start_ + kMinute, start_ + 2 * kMinute}).size(), 1u);
    EXPECT_EQ(stored({"m{i=\"0\"}"}, {start_ + Duration{1}, start_ + kMinute}).size(), 0u);
    std::vector<Row> asked{rows[0], rows[1], rows[2]};
    asked[1].value = Value::count(77);
    asked[2].timestamp += Duration{1};
    EXPECT_THAT(holds(asked), ElementsAre(true, false, false));
  }

  asio::io_context context_{1};
  net::HttpClient client_{context_.get_executor()};
  std::unique_ptr<test::ServerProcess> server_;
  std::unique_ptr<RemoteWrite> sink_;
  SinkHealth health_;
  Time start_ =
      engine::floor_to(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()), kMinute) -
      20 * kMinute;
};

class RemoteWriteToPrometheus : public RemoteWriteE2e {
 protected:
  void SetUp() override { server_ = test::start_prometheus(context_); }
};

TEST_F(RemoteWriteToPrometheus, KeepsExactlyWhatWasWritten) {
  make();
  EXPECT_THAT(health_.server, HasSubstr("Prometheus, version 2."));
  EXPECT_TRUE(health_.capabilities.can_read_back);
  ASSERT_TRUE(health_.started_at);
  EXPECT_LT(start_, *health_.started_at);
  expect_round_trip();
}

TEST_F(RemoteWriteToPrometheus, TakesTheNewestSampleAgainAndRefusesASecondValueAndWhatIsOlder) {
  make();
  const std::vector<Row> two{row("m", start_, Value::count(1)), row("m", start_ + kMinute, Value::count(2))};
  ASSERT_EQ(push(two).verdict, PushVerdict::accepted);
  EXPECT_EQ(push({two[1]}).verdict, PushVerdict::accepted);
  const PushOutcome second = push({row("m", start_ + kMinute, Value::count(3))});
  EXPECT_EQ(second.verdict, PushVerdict::refused);
  EXPECT_THAT(second.detail, HasSubstr("duplicate sample"));
  const PushOutcome older = push({two[0]});
  EXPECT_EQ(older.verdict, PushVerdict::refused);
  EXPECT_THAT(older.detail, HasSubstr("out of order"));
  EXPECT_TRUE(older.too_old);
  EXPECT_EQ(sink_->lateness(two[0]), Lateness::refused);
  EXPECT_NE(sink_->lateness(two[1]), Lateness::refused);
  const Time long_ago = start_ - std::chrono::hours{48};
  const PushOutcome bounds = push({row("other", long_ago, Value::count(3))});
  EXPECT_EQ(bounds.verdict, PushVerdict::refused);
  EXPECT_THAT(bounds.detail, HasSubstr("out of bounds"));
  EXPECT_TRUE(bounds.too_old);
  EXPECT_EQ(sink_->lateness(row("third", long_ago - kMinute, Value::count(3))), Lateness::refused);
  EXPECT_NE(sink_->lateness(row("third", long_ago + kMinute, Value::count(3))), Lateness::refused);
  EXPECT_THAT(texts(stored({"m", "other"}, {long_ago, start_ + 5 * kMinute}), start_),
              ElementsAre("m 0 1", "m 60000 2"));
}

TEST_F(RemoteWriteToPrometheus, AppliesNothingOfABodyWithOneBadRow) {
  make();
  ASSERT_EQ(push({row("a", start_ + kMinute, Value::count(1))}).verdict, PushVerdict::accepted);
  const std::vector<Row> mixed{row("b", start_, Value::count(1)), row("a", start_, Value::count(5)),
                               row("c", start_, Value::count(1))};
  EXPECT_EQ(push(mixed).verdict, PushVerdict::refused);
  EXPECT_THAT(holds(mixed), ElementsAre(false, false, false));
  EXPECT_NE(sink_->lateness(mixed[0]), Lateness::refused);
  EXPECT_EQ(sink_->lateness(mixed[1]), Lateness::refused) << "the one that the others were refused for";
  EXPECT_NE(sink_->lateness(mixed[2]), Lateness::refused);
}

TEST_F(RemoteWriteToPrometheus, RefusesWhatIsTooOldForAnOutOfOrderWindow) {
  server_ = test::start_prometheus(context_, "tsdb: {out_of_order_time_window: 10m}");
  RemoteWriteOptions options;
  options.out_of_order_window = 10 * kMinute;
  make(options);
  EXPECT_EQ(health_.capabilities.out_of_order_window, 10 * kMinute);
  ASSERT_EQ(push({row("m", start_ + 12 * kMinute, Value::count(1))}).verdict, PushVerdict::accepted);
  EXPECT_EQ(push({row("m", start_ + 5 * kMinute, Value::count(2))}).verdict, PushVerdict::accepted);
  const PushOutcome older = push({row("m", start_, Value::count(3))});
  EXPECT_EQ(older.verdict, PushVerdict::refused) << older.detail;
  EXPECT_TRUE(older.too_old);
  EXPECT_EQ(sink_->lateness(row("m", start_, Value::count(3))), Lateness::refused);
  EXPECT_NE(sink_->lateness(row("m", start_ + 4 * kMinute, Value::count(3))), Lateness::refused)
      << "the window takes it";
  const Row own = row("fresh", start_, Value::count(4));
  EXPECT_NE(sink_->lateness(own), Lateness::refused);
  EXPECT_EQ(push({own}).verdict, PushVerdict::accepted) << "older than the window, and new to its series";
  EXPECT_THAT(texts(stored({"m"}, {start_, start_ + 20 * kMinute}), start_),
              ElementsAre("m 300000 2", "m 720000 1"));
}

TEST_F(RemoteWriteToPrometheus, EndsASeriesAtItsStaleMarker) {
  RemoteWriteOptions options;
  options.stale_markers = true;
  make(options);
  ASSERT_TRUE(health_.capabilities.takes_stale_markers);
  ASSERT_EQ(push({row("m", start_, Value::count(1)), row("n", start_, Value::count(1))}).verdict,
            PushVerdict::accepted);
  EXPECT_EQ(shown("m", start_ + kMinute), 1u);
  Row marker = row("m", start_ + kMinute, Value::count(1));
  marker.reason = engine::Reason::stale;
  ASSERT_FALSE(sink_->refuse(marker, start_));
  ASSERT_EQ(push({marker}).verdict, PushVerdict::accepted);
  EXPECT_EQ(push({marker}).verdict, PushVerdict::accepted) << "its fate unknown, it is sent again";
  EXPECT_EQ(shown("m", start_ + kMinute), 0u);
  EXPECT_EQ(shown("n", start_ + kMinute), 1u);
  EXPECT_EQ(stored({"m"}, {start_, start_ + 5 * kMinute}).size(), 1u);
}

TEST_F(RemoteWriteToPrometheus, StillHasWhatItAcknowledgedAfterItWasKilled) {
  make();
  const std::vector<Row> rows = many_rows();
  ASSERT_EQ(push(rows).verdict, PushVerdict::accepted);
  server_->kill();
  ASSERT_TRUE(server_->restart(context_));
  const auto before = health_.started_at;
  make();
  EXPECT_GT(health_.started_at, before);
  const std::vector<bool> held = holds(rows);
  EXPECT_EQ(std::count(held.begin(), held.end(), true), static_cast<std::ptrdiff_t>(rows.size()));
}

TEST_F(RemoteWriteToPrometheus, FallsBackToSnappyWhenAskedForZstd) {
  RemoteWriteOptions options;
  options.compression = Compression::zstd;
  make(options);
  EXPECT_EQ(status_of_zstd({row("m", start_, Value::count(1))}), 400);
  EXPECT_EQ(push({row("m", start_, Value::count(1))}).verdict, PushVerdict::accepted);
  EXPECT_EQ(stored({"m"}, {start_, start_ + kMinute}).size(), 1u);
}

class RemoteWriteToVictoriaMetrics : public RemoteWriteE2e {
 protected:
  void SetUp() override { server_ = test::start_victoria_metrics(context_, {"-maxLabelsPerTimeseries=30"}); }
};

TEST_F(RemoteWriteToVictoriaMetrics, KeepsExactlyWhatWasWrittenAfterItRefusedZstd) {
  make();
  EXPECT_THAT(health_.server, HasSubstr("VictoriaMetrics"));
  EXPECT_FALSE(health_.capabilities.out_of_order_window);
  EXPECT_FALSE(health_.capabilities.durable_when_acknowledged);
  EXPECT_EQ(status_of_zstd({row("m", start_, Value::count(1))}), 400);
  expect_round_trip();
}

TEST_F(RemoteWriteToVictoriaMetrics, KeepsASampleThatComesTwiceTwiceAndShowsIt) {
  make();
  ASSERT_EQ(push({row("m", start_, Value::count(1))}).verdict, PushVerdict::accepted);
  ASSERT_EQ(push({row("m", start_, Value::count(1))}).verdict, PushVerdict::accepted);
  ASSERT_EQ(push({row("m", start_, Value::count(2))}).verdict, PushVerdict::accepted);
  EXPECT_THAT(texts(stored({"m"}, {start_, start_ + kMinute}), start_),
              ElementsAre("m 0 1", "m 0 1", "m 0 2"));
}

TEST_F(RemoteWriteToVictoriaMetrics, DropsSilentlyWhatTheSinkRefuses) {
  make();
  std::string labels;
  for (int i = 10; i < 40; ++i) labels += ",l" + std::to_string(i) + "=\"x\"";
  const Row broad = row("m{" + labels.substr(1) + "}", start_, Value::count(1));
  EXPECT_TRUE(sink_->refuse(broad, start_));
  EXPECT_EQ(push({broad}).verdict, PushVerdict::accepted);
  EXPECT_TRUE(stored({std::string{broad.series.view()}}, {start_, start_ + kMinute}).empty());
}

TEST_F(RemoteWriteToVictoriaMetrics, EndsASeriesAtItsStaleMarker) {
  RemoteWriteOptions options;
  options.stale_markers = true;
  make(options);
  ASSERT_EQ(push({row("m", start_, Value::count(1)), row("m", start_ + kMinute, Value::count(1))}).verdict,
            PushVerdict::accepted);
  Row marker = row("m", start_ + 2 * kMinute, Value::count(1));
  marker.reason = engine::Reason::stale;
  ASSERT_FALSE(sink_->refuse(marker, start_));
  ASSERT_EQ(push({marker}).verdict, PushVerdict::accepted);
  EXPECT_THAT(holds({marker}), ElementsAre(true));
  EXPECT_EQ(stored({"m"}, {start_, start_ + 5 * kMinute}).size(), 2u) << "a marker is no sample";
  EXPECT_EQ(shown("m", start_ + kMinute), 1u);
  EXPECT_EQ(shown("m", start_ + 2 * kMinute), 0u);
}

}  // namespace
}  // namespace settle::sinks
