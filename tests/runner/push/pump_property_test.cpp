// Whatever the server, the network and we go through: in neither lane anything is lost or doubled, and no
// older revision comes after a newer one, also not from the other lane.
#include <cstdint>
#include <set>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/runner/push/pump_world.hpp"

namespace settle::test {
namespace {

using sinks::Overwrite;
using sinks::PushVerdict;

/// One life of a pump, steered by bytes so that it shrinks well.
class Life {
 public:
  explicit Life(Overwrite overwrite) : overwrite_(overwrite) {
    server_.started_at = kNow;
    boot(kNow);
  }

  void act(std::uint8_t byte) {
    switch (byte % 8) {
      case 0:
        emit_some(byte / 8, runner::Lane::live);
        break;
      case 1:
        emit_some(byte / 8, runner::Lane::backfill);
        break;
      case 2:
        crash();
        break;
      case 3:
        restart_server();
        break;
      case 4:
        server_.flush();
        process_->clocks.advance(std::chrono::seconds{30});
        break;
      default:
        fates_.push_back(byte);
        process_->run_until([this] { return process_->sink.hangs || process_->sink.pushes.size() >= 4; },
                            std::chrono::seconds{20});
        process_->sink.pushes.clear();
        break;
    }
  }

  /// From here on all is well: what waits is delivered, and what the server may have lost is looked after.
  void heal() {
    fates_.clear();
    if (process_->sink.hangs) crash();
    const auto until = process_->clocks.steady_now() + std::chrono::minutes{3};
    RC_ASSERT(process_->run_until([&] {
      return process_->clocks.steady_now() >= until && process_->pump->status().rows_waiting == 0 &&
             process_->pump->status(runner::Lane::backfill).rows_waiting == 0;
    }));
  }

  void check() const {
    std::set<FakeServer::Key> buried;
    for (const runner::DeadLetter& letter : process_->dead_letters()) {
      RC_ASSERT(letter.series == kPoison);
      buried.insert({letter.series, engine::epoch_ms(letter.timestamp)});
    }
    const auto kept = server_.revisions();
    for (const auto& [key, newest] : newest_) {
      if (key.first == kPoison) {
        RC_ASSERT(buried.contains(key));
        continue;
      }
      const auto found = kept.find(key);
      RC_ASSERT(found != kept.end());
      RC_ASSERT(found->second.back() == newest);
      for (std::size_t i = 1; i < found->second.size(); ++i) {
        const bool keeps_all = overwrite_ == Overwrite::none || overwrite_ == Overwrite::append_log;
        const bool in_order =
            keeps_all ? found->second[i - 1] < found->second[i] : found->second[i - 1] <= found->second[i];
        RC_ASSERT(in_order);
      }
      if (overwrite_ == Overwrite::none) RC_ASSERT(found->second.size() == 1u);
    }
  }

 private:
  static constexpr const char* kPoison = "m{s=\"0\"}";

  void boot(engine::Time now) {
    runner::PumpOptions options = pump_options();
    options.backfill_batch_rows_max = 15;
    process_ = std::make_unique<Process>(directory_.path(), server_, now, options);
    process_->sink.can.overwrite = overwrite_;
    process_->sink.can.durable_when_acknowledged = overwrite_ == Overwrite::append_log;
    process_->sink.can.batch_rows_max = 7;
    process_->sink.decide = [this](const std::vector<sinks::Row>& rows) { return decide(rows); };
    process_->start();
  }

  Fate decide(const std::vector<sinks::Row>& rows) {
    Fate fate;
    for (const sinks::Row& row : rows) {
      if (row.series == kPoison) fate.verdict = PushVerdict::refused;
    }
    if (fates_.empty()) return fate;
    const std::uint8_t byte = fates_.back();
    fates_.pop_back();
    const std::size_t part = (byte / 32u) % (rows.size() + 1);
    switch ((byte / 8) % 4) {
      case 0:
        return {.verdict = PushVerdict::retry};
      case 1:
        // A row that is refused is never applied.
        return {.verdict = PushVerdict::uncertain,
                .applied = fate.verdict == PushVerdict::refused ? 0 : part};
      case 2:
        return {.verdict = PushVerdict::misconfigured};
      default:
        return {.applied = fate.verdict == PushVerdict::refused ? 0 : part, .never_answers = true};
    }
  }

  void emit_some(unsigned salt, runner::Lane lane) {
    std::vector<engine::Sample> samples;
    const bool revises = overwrite_ != Overwrite::none;
    std::set<FakeServer::Key> in_block;
    for (unsigned i = 0; i < 1 + salt % 12; ++i) {
      const unsigned series = (salt * 7 + i * 3) % 6;
      const int minute = revises ? static_cast<int>((salt + i) % 5) : next_minute_++;
      engine::Sample one = sample(series, minute, 0);
      const FakeServer::Key key{"m{s=\"" + std::to_string(series) + "\"}", engine::epoch_ms(one.bucket)};
      if (!in_block.insert(key).second) continue;
      one.revision = ++newest_[key];
      one.value = engine::Value::count(1000u + one.revision);
      samples.push_back(one);
    }
    emit(*process_, std::move(samples), {"tsdb"}, lane);
  }

  void crash() {
    const engine::Time now = process_->clocks.wall_now();
    process_.reset();
    boot(now);
  }

  void restart_server() {
    if (overwrite_ == Overwrite::append_log) return;  // it is durable
    process_->clocks.advance(std::chrono::seconds{1});
    server_.restart_without_recent(process_->clocks.wall_now());
  }

  Overwrite overwrite_;
  runner::StoreDirectory directory_;
  FakeServer server_;
  std::vector<std::uint8_t> fates_;
  std::map<FakeServer::Key, std::uint32_t> newest_;
  int next_minute_ = 0;
  std::unique_ptr<Process> process_;
};

TEST(PumpProperty, LosesNothingDoublesNothingAndNeverGoesBackToAnOlderRevision) {
  EXPECT_TRUE(rc::check([] {
    const auto overwrite = *rc::gen::element(Overwrite::none, Overwrite::none, Overwrite::last_wins,
                                             Overwrite::max_wins, Overwrite::append_log);
    // Numbers grow with the size of the case unless told otherwise; all bytes matter in short lives, too.
    const auto byte_of_life = rc::gen::resize(rc::kNominalSize, rc::gen::inRange(0, 256));
    const auto bytes = *rc::gen::resize(40, rc::gen::container<std::vector<int>>(byte_of_life));
    Life life{overwrite};
    for (const int byte : bytes) life.act(static_cast<std::uint8_t>(byte));
    life.heal();
    life.check();
  }));
}

TEST(PumpProperty, HoldsWhenTheServerForgetsRowsThatWereFoundThereDuringABatch) {
  EXPECT_TRUE(rc::check([] {
    Life life{Overwrite::none};
    for (const int byte : {88, 93, 21, 74, 37, 75}) life.act(static_cast<std::uint8_t>(byte));
    life.heal();
    life.check();
  }));
}

TEST(PumpProperty, HoldsWhenACrashInterruptsTheSecondSendingOfRowsThatTheOtherLaneReplaced) {
  EXPECT_TRUE(rc::check([] {
    Life life{Overwrite::last_wins};
    for (const int byte : {128, 225, 45, 84, 155, 157}) life.act(static_cast<std::uint8_t>(byte));
    life.heal();
    life.check();
  }));
}

TEST(PumpProperty, HoldsWhenTheServerRestartedTwiceWhileNobodyLooked) {
  EXPECT_TRUE(rc::check([] {
    Life life{Overwrite::none};
    for (const int byte : {216, 45, 37, 24, 147, 45, 116, 154, 108, 172, 124, 179})
      life.act(static_cast<std::uint8_t>(byte));
    life.heal();
    life.check();
  }));
}

}  // namespace
}  // namespace settle::test
