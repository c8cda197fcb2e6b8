#include "engine/stabilizer/record.hpp"

#include <bit>
#include <cassert>
#include <cmath>

#include "engine/model/bytes.hpp"
#include "engine/stabilizer/record_wire.hpp"

namespace settle::engine {

namespace {

using wire::kVersion;

class Encoder {
 public:
  explicit Encoder(const RecordShape& shape) : shape_(shape) {}

  std::string encode(const Record& record) && {
    record_ = &record;
    head();
    scopes();
    entries();
    cells();
    series();
    if (shape_.learned) learned();
    return std::move(out_).take();
  }

 private:
  void steps(Time from, Time to) {
    out_.varint(static_cast<std::uint64_t>((to - from) / shape_.granularity));
  }
  void signed_steps(Time to) { out_.signed_varint((to - record_->from) / shape_.granularity); }
  void instant(Time at) { out_.signed_varint((at - record_->from).count()); }
  void number(Value::Bits bits) {
    if (bits.is_count) {
      out_.varint(bits.bits);
    } else {
      out_.fixed64(bits.bits);
    }
  }

  void head() {
    const Record& record = *record_;
    out_.byte(kVersion);
    out_.byte(wire::shape_byte(shape_.counter, shape_.learned));
    out_.varint(static_cast<std::uint64_t>(shape_.granularity.count()));
    out_.varint(record.number);
    out_.signed_varint(epoch_ms(record.from));
    out_.byte(record.now == kNever ? 0 : 1);
    if (record.now != kNever) instant(record.now);
    out_.varint(record.next_number);
    for (const auto field : wire::kStats) out_.varint(record.stats.*field);
    out_.fixed64(std::bit_cast<std::uint64_t>(record.stats.unpropagated));
  }

  void scopes() {
    out_.varint(record_->scopes.size());
    for (const Record::ScopeState& scope : record_->scopes) {
      out_.text(scope.name);
      out_.byte(static_cast<std::uint8_t>((scope.known ? wire::kKnown : 0) |
                                          (scope.frontier != kNever ? wire::kFrontier : 0) |
                                          (scope.last_complete != kNever ? wire::kLastComplete : 0) |
                                          (scope.pending != kNever ? wire::kPending : 0) |
                                          (scope.last_moved != scope.last_complete ? wire::kLastMoved : 0)));
      if (scope.frontier != kNever) instant(scope.frontier);
      if (scope.last_complete != kNever) instant(scope.last_complete);
      if (scope.pending != kNever) instant(scope.pending);
      if (scope.last_moved != scope.last_complete) instant(scope.last_moved);
    }
  }

  void entries() {
    out_.varint(record_->entries.size());
    Time last = record_->from;
    for (const auto& [bucket, entry] : record_->entries) {
      steps(last, bucket);
      last = bucket;
      const bool covered = entry.covered != kNever;
      out_.varint(entry.scope);
      out_.byte(static_cast<std::uint8_t>(
          (entry.is_final ? wire::kFinal : 0) | (entry.by_expiry ? wire::kByExpiry : 0) |
          (entry.limited ? wire::kLimited : 0) | (covered ? wire::kCovered : 0) |
          (entry.unwatched ? wire::kUnwatched : 0) | (entry.alive != entry.moving ? wire::kAlive : 0)));
      out_.varint(entry.polls);
      out_.varint(entry.polls - entry.appeared_at);
      // An entry that moved with every answer has aged exactly as long as it was covered.
      Duration aged{};
      if (covered) {
        out_.varint(static_cast<std::uint64_t>((record_->now - entry.covered).count()));
        aged = entry.covered - (bucket + shape_.granularity);
      }
      out_.signed_varint((entry.moving - aged).count());
      if (entry.alive != entry.moving) {
        out_.varint(static_cast<std::uint64_t>((entry.alive - entry.moving).count()));
      }
    }
  }

  void cells() {
    std::size_t panel_next = 0;
    const auto& all = record_->cells;
    std::size_t groups = 0;
    for (std::size_t at = 0; at < all.size(); ++at) {
      if (at == 0 || all[at].bucket != all[at - 1].bucket) ++groups;
    }
    out_.varint(groups);
    Time last = record_->from;
    for (std::size_t at = 0; at < all.size();) {
      std::size_t end = at;
      while (end < all.size() && all[end].bucket == all[at].bucket) ++end;
      steps(last, all[at].bucket);
      last = all[at].bucket;
      out_.varint(end - at);
      SeriesNumber number_before = 0;
      ScopeId scope_before = 0;
      for (; at < end; ++at) {
        out_.varint(all[at].number - number_before);
        number_before = all[at].number;
        cell(all[at], scope_before);
        if (all[at].cell.has(Cell::kPanel)) panel(record_->panels[panel_next++], all[at].cell);
      }
    }
  }

  void cell(const Record::CellState& state, ScopeId& scope_before) {
    const Cell& cell = state.cell;
    const bool settled = cell.has(Cell::kHasSettled);
    std::uint32_t flags = wire::to_wire(cell.flags);
    if (settled && cell.bits() == cell.settled_bits()) flags |= wire::kSame;
    if (cell.scope != scope_before) flags |= wire::kOtherScope;
    out_.varint(flags);
    if (cell.scope != scope_before) out_.varint(cell.scope);
    scope_before = cell.scope;
    number(cell.bits());
    out_.varint(cell.at_change);
    if (!settled) return;
    if ((flags & wire::kSame) == 0) number(cell.settled_bits());
    out_.varint(cell.revision);
    if (shape_.counter && cell.revision > 0) out_.varint(state.total);
  }

  void panel(const PanelCell& one, const Cell& of) {
    const bool same = one.judged && of.has(Cell::kHasSettled) && one.first == of.settled_bits();
    out_.byte(static_cast<std::uint8_t>(one.band | (one.judged ? wire::kJudged : 0) |
                                        (same ? wire::kFirstIsSettled : 0) |
                                        (one.judged && one.first.is_count ? wire::kFirstIsCount : 0) |
                                        (one.steps.empty() ? 0 : wire::kSteps)));
    out_.varint(static_cast<std::uint64_t>(one.age.count()));
    if (one.judged && !same) number(one.first);
    if (one.steps.empty()) return;
    out_.varint(one.steps.size());
    Duration last{};
    for (const PanelStep& step : one.steps) {
      out_.signed_varint((step.age - last).count());
      last = step.age;
      out_.byte(static_cast<std::uint8_t>((is_whole(step.least) ? wire::kLeastWhole : 0) |
                                          (step.most == step.least ? wire::kMostIsLeast : 0) |
                                          (is_whole(step.most) ? wire::kMostWhole : 0)));
      amount(step.least);
      if (step.most != step.least) amount(step.most);
    }
  }

  static bool is_whole(double value) {
    return std::abs(value) <= static_cast<double>(wire::kWholeMax) && value == std::floor(value);
  }
  void amount(double value) {
    if (is_whole(value)) {
      out_.signed_varint(static_cast<std::int64_t>(value));
    } else {
      out_.fixed64(std::bit_cast<std::uint64_t>(value));
    }
  }

  void learned() {
    const Record::LearnedState& all = record_->learned;
    out_.varint(all.first_window);
    out_.varint(all.windows_kept);
    out_.varint(static_cast<std::uint64_t>(all.life.count()));
    for (const double level : all.levels) out_.fixed64(std::bit_cast<std::uint64_t>(level));
    for (const std::uint64_t count : {all.judged, all.wrong, all.rechecked, all.rechecked_wrong}) {
      out_.varint(count);
    }
    out_.varint(all.windows.size());
    std::uint64_t number_before = 0;
    for (const auto& [number_now, window] : all.windows) {
      out_.varint(number_now - number_before);
      number_before = number_now;
      out_.byte(static_cast<std::uint8_t>(window.size()));
      for (const AgedCell& cell : window) {
        out_.varint(static_cast<std::uint64_t>(cell.score) * kBands + cell.band);
      }
    }
    out_.varint(all.rechecks.size());
    for (const auto& [bucket, one] : all.rechecks) {
      signed_steps(bucket);
      out_.byte(static_cast<std::uint8_t>(one.stage));
      out_.varint(one.cells.size());
      for (const Recheck::Cell& cell : one.cells) {
        out_.varint(cell.number);
        out_.byte(cell.value.is_count ? 1 : 0);
        number(cell.value);
      }
    }
  }

  void series() {
    out_.varint(record_->series.size());
    SeriesNumber number_before = 0;
    for (const auto& [number_now, one] : record_->series) {
      out_.varint(number_now - number_before);
      number_before = number_now;
      out_.byte(static_cast<std::uint8_t>((one.overflowed ? wire::kOverflowed : 0) |
                                          (one.last_valued != kNever ? wire::kLastValued : 0) |
                                          (one.emitted_through != kNever ? wire::kEmittedThrough : 0) |
                                          (one.pace.cells > 0 ? wire::kPace : 0)));
      signed_steps(one.last_bucket);
      if (one.last_valued != kNever) {
        signed_steps(one.last_valued);
        out_.varint(one.last_scope);
      }
      if (one.pace.cells > 0) {
        out_.byte(one.pace.cells);
        out_.byte(one.pace.level);
      }
      if (!shape_.counter) continue;
      out_.varint(one.base);
      if (one.emitted_through == kNever) continue;
      signed_steps(one.emitted_through);
      out_.varint(one.last_total);
    }
  }

  RecordShape shape_;
  const Record* record_ = nullptr;
  ByteWriter out_;
};

}  // namespace

std::string encode_record(const Record& record, const RecordShape& shape) {
  return Encoder(shape).encode(record);
}

}  // namespace settle::engine
