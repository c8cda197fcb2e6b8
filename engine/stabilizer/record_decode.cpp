#include <bit>
#include <cmath>
#include <utility>

#include "engine/model/bytes.hpp"
#include "engine/stabilizer/record.hpp"
#include "engine/stabilizer/record_wire.hpp"

namespace settle::engine {

namespace {

// No instant is further from the epoch, and no two further apart: so that no sum of them overflows.
constexpr std::int64_t kInstantMax = std::int64_t{1} << 52;

class Decoder {
 public:
  Decoder(std::string_view bytes, const RecordShape& shape) : in_(bytes), shape_(shape) {}

  Result<Record> decode() && {
    if (in_.byte() != wire::kVersion)
      return corrupt("engine record: of another version of the format; use the settle that wrote it");
    if (in_.byte() != wire::shape_byte(shape_.counter, shape_.learned) ||
        in_.varint() != static_cast<std::uint64_t>(shape_.granularity.count())) {
      return corrupt(
          "engine record: written for another output, granularity or finality than the stream has");
    }
    head();
    scopes();
    entries();
    cells();
    series();
    if (shape_.learned) learned();
    if (!in_.done()) {
      return corrupt("engine record " + std::to_string(record_.number) + ": damaged bytes; restore a backup");
    }
    return std::move(record_);
  }

 private:
  Time instant() { return checked(record_.from, in_.signed_varint()); }
  Time checked(Time from, std::int64_t milliseconds) {
    if (milliseconds > kInstantMax || milliseconds < -kInstantMax) {
      in_.fail();
      return from;
    }
    return from + Duration{milliseconds};
  }
  Time stepped(Time from, std::int64_t count) {
    const std::int64_t most = kInstantMax / shape_.granularity.count();
    if (count > most || count < -most) {
      in_.fail();
      return from;
    }
    const Time at = from + count * shape_.granularity;
    if (epoch_ms(at) > 2 * kInstantMax || epoch_ms(at) < -2 * kInstantMax) in_.fail();
    return at;
  }
  Time steps(Time from) { return stepped(from, static_cast<std::int64_t>(in_.varint_up_to(kInstantMax))); }
  Time signed_steps() { return stepped(record_.from, in_.signed_varint()); }
  std::uint32_t small() { return static_cast<std::uint32_t>(in_.varint_up_to(0xffff'fffe)); }
  ScopeId scope() {
    const std::uint32_t at = small();
    if (at >= record_.scopes.size()) in_.fail();
    return at;
  }
  std::uint32_t flags(std::uint32_t allowed) {
    const std::uint32_t out = small();
    if ((out & ~allowed) != 0) in_.fail();
    return out;
  }
  Value::Bits number(bool is_count) {
    if (is_count) {
      const std::uint64_t count = in_.varint();
      if (shape_.counter && count > (std::uint64_t{1} << 53)) in_.fail();
      return {true, count};
    }
    const Value::Bits bits{false, in_.fixed64()};
    const Value value = Value::from_bits(bits);
    if (shape_.counter || value.is_nan() || value.held_bits() != bits) in_.fail();
    return bits;
  }

  void head() {
    record_.number = small();
    record_.from = checked(Time{}, in_.signed_varint());
    if (floor_to(record_.from, shape_.granularity) != record_.from || record_.number == 0) in_.fail();
    if (in_.byte() != 0) record_.now = instant();
    record_.next_number = in_.varint();
    for (const auto field : wire::kStats) record_.stats.*field = in_.varint();
    record_.stats.unpropagated = std::bit_cast<double>(in_.fixed64());
  }

  void scopes() {
    const std::size_t count = in_.count(2);
    record_.scopes.reserve(count);
    for (std::size_t one = 0; one < count && !in_.failed(); ++one) {
      Record::ScopeState scope{.name = in_.text()};
      if (one > 0 && scope.name <= record_.scopes.back().name) in_.fail();
      const std::uint8_t bits = in_.byte();
      scope.known = (bits & wire::kKnown) != 0;
      if ((bits & wire::kFrontier) != 0) scope.frontier = instant();
      if ((bits & wire::kLastComplete) != 0) scope.last_complete = instant();
      if ((bits & wire::kPending) != 0) scope.pending = instant();
      scope.last_moved = (bits & wire::kLastMoved) != 0 ? instant() : scope.last_complete;
      record_.scopes.push_back(scope);
    }
  }

  void entries() {
    const std::size_t count = in_.count(6);
    record_.entries.reserve(count);
    Time last = record_.from;
    for (std::size_t one = 0; one < count && !in_.failed(); ++one) {
      const Time bucket = steps(last);
      Entry entry{.scope = scope()};
      if (one > 0 && bucket == last && entry.scope <= record_.entries.back().entry.scope) in_.fail();
      last = bucket;
      const std::uint8_t bits = in_.byte();
      entry.is_final = (bits & wire::kFinal) != 0;
      entry.by_expiry = (bits & wire::kByExpiry) != 0;
      entry.limited = (bits & wire::kLimited) != 0;
      entry.unwatched = (bits & wire::kUnwatched) != 0;
      entry.polls = small();
      entry.appeared_at = entry.polls - static_cast<std::uint32_t>(in_.varint_up_to(entry.polls));
      Duration aged{};
      if ((bits & wire::kCovered) != 0) {
        if (record_.now == kNever) in_.fail();
        entry.covered = in_.failed()
                            ? Time{}
                            : checked(record_.now, -static_cast<std::int64_t>(in_.varint_up_to(kInstantMax)));
        aged = entry.covered - (bucket + shape_.granularity);
      }
      const std::int64_t moving = in_.signed_varint();
      if (moving > kInstantMax || moving < -kInstantMax) in_.fail();
      if (in_.failed()) return;
      entry.moving = aged + Duration{moving};
      entry.alive = entry.moving;
      if ((bits & wire::kAlive) != 0) {
        entry.alive += Duration{static_cast<std::int64_t>(in_.varint_up_to(kInstantMax))};
      }
      record_.entries.push_back({bucket, entry});
    }
  }

  void cells() {
    const std::size_t groups = in_.count(2);
    Time bucket = record_.from;
    for (std::size_t group = 0; group < groups && !in_.failed(); ++group) {
      const Time next = steps(bucket);
      if (group > 0 && next == bucket) in_.fail();
      bucket = next;
      const std::size_t count = in_.count(4);
      SeriesNumber number = 0;
      ScopeId scope_before = 0;
      for (std::size_t one = 0; one < count && !in_.failed(); ++one) {
        number = next_in_order(number);
        Record::CellState state{.bucket = bucket, .number = number, .cell = {}};
        cell(state, scope_before);
        if (state.cell.has(Cell::kPanel)) panel(state.cell);
        record_.cells.push_back(state);
      }
    }
  }

  void cell(Record::CellState& state, ScopeId& scope_before) {
    Cell& cell = state.cell;
    const std::uint32_t bits = flags(wire::kAllCellFlags);
    cell.flags = wire::from_wire(bits);
    if ((bits & wire::kOtherScope) != 0) scope_before = scope();
    cell.scope = scope_before;
    if (cell.scope >= record_.scopes.size()) in_.fail();
    cell.value = number(cell.has(Cell::kCount)).bits;
    cell.at_change = small();
    if (!cell.has(Cell::kHasSettled)) {
      if (cell.has(Cell::kQuiet)) in_.fail();
      return;
    }
    cell.settled = (bits & wire::kSame) != 0 ? cell.value : number(cell.has(Cell::kSettledCount)).bits;
    cell.revision = small();
    if (!shape_.counter && cell.revision == 0) in_.fail();
    if (shape_.counter && cell.revision > 0) state.total = in_.varint();
  }

  void panel(const Cell& of) {
    if (!shape_.learned) in_.fail();
    PanelCell one;
    const std::uint8_t bits = in_.byte();
    if ((bits & ~unsigned{wire::kAllPanelFlags}) != 0) in_.fail();
    one.band = bits & wire::kBand;
    one.judged = (bits & wire::kJudged) != 0;
    one.age = age();
    if ((bits & wire::kFirstIsSettled) != 0) {
      if (!of.has(Cell::kHasSettled)) in_.fail();
      one.first = of.settled_bits();
    } else if (one.judged) {
      one.first = number((bits & wire::kFirstIsCount) != 0);
    }
    const std::size_t steps = (bits & wire::kSteps) != 0 ? in_.count(3) : 0;
    if (steps > kStepsMax) in_.fail();
    Duration last{};
    for (std::size_t at = 0; at < steps && !in_.failed(); ++at) {
      PanelStep step;
      const std::int64_t delta = in_.signed_varint();
      if (delta > kInstantMax || delta < -kInstantMax) in_.fail();
      last += in_.failed() ? Duration{} : Duration{delta};
      step.age = last;
      const std::uint8_t forms = in_.byte();
      if ((forms & ~unsigned{wire::kAllStepFlags}) != 0) in_.fail();
      step.least = amount((forms & wire::kLeastWhole) != 0);
      const bool same = (forms & wire::kMostIsLeast) != 0;
      step.most = same ? step.least : amount((forms & wire::kMostWhole) != 0);
      one.steps.push_back(step);
    }
    record_.panels.push_back(std::move(one));
  }

  Duration age() { return Duration{static_cast<std::int64_t>(in_.varint_up_to(kInstantMax))}; }
  double amount(bool is_whole) {
    if (!is_whole) {
      const auto value = std::bit_cast<double>(in_.fixed64());
      if (std::isnan(value)) in_.fail();
      return value;
    }
    const std::int64_t whole = in_.signed_varint();
    if (whole > wire::kWholeMax || whole < -wire::kWholeMax) in_.fail();
    return static_cast<double>(whole);
  }

  void learned() {
    Record::LearnedState& all = record_.learned;
    all.first_window = in_.varint_up_to(kInstantMax);
    all.windows_kept = in_.varint_up_to(kWindowsMax);
    all.life = age();
    for (double& level : all.levels) {
      level = std::bit_cast<double>(in_.fixed64());
      if (!(level >= 0 && level <= 1)) in_.fail();
    }
    for (std::uint64_t* count : {&all.judged, &all.wrong, &all.rechecked, &all.rechecked_wrong}) {
      *count = in_.varint();
    }
    windows();
    rechecks();
  }

  void windows() {
    const std::size_t count = in_.count(3);
    std::uint64_t number = 0;
    for (std::size_t one = 0; one < count && !in_.failed(); ++one) {
      number = next_in_order(number);
      const std::uint8_t size = in_.byte();
      if (size == 0 || size > kPanelMax) in_.fail();
      Window window;
      for (std::uint8_t at = 0; at < size && !in_.failed(); ++at) {
        const std::uint64_t cell = in_.varint_up_to(std::uint64_t{kUnsettled} * kBands + kBands - 1);
        window.push_back(
            {.band = static_cast<std::uint8_t>(cell % kBands), .score = static_cast<Score>(cell / kBands)});
      }
      record_.learned.windows.emplace_back(number, std::move(window));
    }
  }

  void rechecks() {
    const std::size_t count = in_.count(3);
    Time last = Time::min();
    for (std::size_t one = 0; one < count && !in_.failed(); ++one) {
      const Time bucket = signed_steps();
      if (bucket <= last) in_.fail();
      last = bucket;
      Recheck recheck;
      const std::uint8_t stage = in_.byte();
      if (stage > static_cast<std::uint8_t>(Recheck::Stage::done)) in_.fail();
      recheck.stage = static_cast<Recheck::Stage>(stage);
      const std::size_t cells = in_.count(3);
      if (cells > kPanelMax) in_.fail();
      for (std::size_t at = 0; at < cells && !in_.failed(); ++at) {
        const SeriesNumber number_now = in_.varint();
        recheck.cells.push_back({.number = number_now, .value = number(in_.byte() != 0)});
      }
      record_.learned.rechecks.emplace_back(bucket, std::move(recheck));
    }
  }

  void series() {
    const std::size_t count = in_.count(3);
    SeriesNumber number = 0;
    for (std::size_t one = 0; one < count && !in_.failed(); ++one) {
      number = next_in_order(number);
      Record::SeriesState state{.number = number, .series = {}};
      Series& out = state.series;
      const std::uint8_t bits = in_.byte();
      out.overflowed = (bits & wire::kOverflowed) != 0;
      out.last_bucket = signed_steps();
      if ((bits & wire::kLastValued) != 0) {
        out.last_valued = signed_steps();
        out.last_scope = scope();
      }
      if ((bits & wire::kPace) != 0) {
        out.pace = {.cells = in_.byte(), .level = in_.byte()};
        if (out.pace.cells > kPaceCells) in_.fail();
      }
      if (shape_.counter) {
        out.base = in_.varint();
        if ((bits & wire::kEmittedThrough) != 0) {
          out.emitted_through = signed_steps();
          out.last_total = in_.varint();
        }
      }
      record_.series.push_back(state);
    }
  }

  SeriesNumber next_in_order(SeriesNumber before) {
    const std::uint64_t delta = in_.varint();
    if (delta == 0 || delta > ~before) in_.fail();
    return before + delta;
  }

  ByteReader in_;
  RecordShape shape_;
  Record record_;
};

}  // namespace

Result<Record> decode_record(std::string_view bytes, const RecordShape& shape) {
  return Decoder(bytes, shape).decode();
}

}  // namespace settle::engine
