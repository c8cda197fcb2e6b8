#include "engine/query/gather.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/codec/cell/frame.hpp"
#include "engine/model/series.hpp"
#include "engine/query/cell_builder.hpp"

namespace settle::query {

namespace {

using engine::Observation;
using engine::ScopeAnswer;
using engine::Time;

constexpr std::size_t kKindAt = 5;  // in a cell frame
constexpr std::string_view kUnfit = "unfit: ";

/// By the index of its family in sketch::Accumulator. Frequent items answer what a Count-Min sketch does.
bool fits(std::string_view frame, SketchType type) {
  if (frame.size() <= kKindAt || !frame.starts_with(codec::kCellMagic)) return false;
  const auto family = static_cast<unsigned char>(frame[kKindAt]);
  switch (type) {
    case SketchType::ddsketch:
      return family == 1;
    case SketchType::hll:
      return family == 2;
    case SketchType::countminsketch:
      return family == 3 || family == 5;
    case SketchType::countsketch:
      return family == 4;
    case SketchType::stats:
      return family == 6;
    case SketchType::scalar:
      return false;
  }
  return false;
}

/// Numbers for texts, in the order in which they are first seen. Answers go through the buckets of one series
/// after the other, or through the series of one bucket after the other: then no text is hashed.
class TextIds {
 public:
  struct Id {
    std::uint32_t id = 0;
    bool is_new = false;
  };
  Id of(std::string_view text) {
    for (const std::size_t guess : {last_, last_ + 1, std::size_t{0}}) {
      if (guess < texts_.size() && is(texts_[guess], text)) {
        last_ = guess;
        return {.id = static_cast<std::uint32_t>(guess), .is_new = false};
      }
    }
    const auto [at, is_new] = ids_.emplace(text, static_cast<std::uint32_t>(texts_.size()));
    if (is_new) texts_.push_back(text);
    last_ = at->second;
    return {.id = at->second, .is_new = is_new};
  }
  [[nodiscard]] const std::vector<std::string_view>& texts() const { return texts_; }

 private:
  static bool is(std::string_view a, std::string_view b) {
    return a.size() == b.size() && (a.data() == b.data() || a == b);
  }
  std::size_t last_ = 0;
  std::vector<std::string_view> texts_;
  std::unordered_map<std::string_view, std::uint32_t> ids_;
};

struct Source {
  bool fine = false;
  std::uint32_t series = 0;  // without the item
  std::string item;
  std::string why;  // unless fine
};

struct Row {
  std::uint32_t series = 0;
  std::uint32_t text = 0;  // where it has an item
  Time bucket;
  std::size_t number = 0;  // in the scope
};

class Gatherer {
 public:
  Gatherer(const CellSpec& spec, engine::Duration granularity)
      : spec_(spec), granularity_(granularity), builder_(spec) {}

  void add(const ScopeAnswer& scope) {
    ScopeAnswer& out = result_.answer.scopes.emplace_back();
    out.scope = scope.scope;
    out.covered = scope.covered;
    out.completeness = scope.completeness;
    out.frontier = scope.frontier;
    scope_ = scope.scope;
    kept_.clear();
    if (!scope.sketches.empty()) return pass_on(scope, out);
    out.rows.reserve(scope.rows.size());
    out.sketches.reserve(scope.rows.size());
    build(scope, sorted_rows(scope), out);
  }
  [[nodiscard]] Gathered take() && { return std::move(result_); }

 private:
  void refuse(const Observation& row, std::string_view why) {
    if (result_.rows_refused++ > 0) return;
    result_.why =
        std::string{row.series} + " at " + engine::format_time(row.bucket) + ": " + std::string{why};
  }

  static void give(ScopeAnswer& out, std::string_view series, Time bucket, engine::Blob sketch) {
    out.rows.push_back({.series = series, .bucket = bucket, .value = engine::fingerprint(sketch)});
    out.sketches.push_back(std::move(sketch));
  }

  void pass_on(const ScopeAnswer& scope, ScopeAnswer& out) {
    for (std::size_t i = 0; i < scope.rows.size(); ++i) {
      const Observation& row = scope.rows[i];
      const engine::Blob& sketch = scope.sketches[i];
      if (fits(sketch.bytes(), spec_.type)) {
        give(out, kept(series_.of(row.series).id), row.bucket, sketch);
        continue;
      }
      const std::string why = sketch.empty()
                                  ? "a number, where other rows are sketches"
                                  : "its sketch is no " + std::string{sketch_type_text(spec_.type)};
      refuse(row, why);
      give(out, kept(series_.of(row.series).id), row.bucket, unfit_cell(why));
    }
  }

  /// The text that the series has in the scope that is looked at.
  std::string_view kept(std::uint32_t series) {
    if (kept_.size() <= series) kept_.resize(series_.texts().size());
    if (kept_[series].empty()) kept_[series] = result_.answer.texts.keep(scoped(series_.texts()[series]));
    return kept_[series];
  }

  [[nodiscard]] std::string scoped(std::string_view series) const {
    auto labels = engine::parse_series(series);
    if (scope_.empty() || !labels) return std::string{series};
    engine::Label label{.name = std::string{kScopeLabel}, .value = scope_};
    labels->insert(std::lower_bound(labels->begin(), labels->end(), label), std::move(label));
    return engine::series_text(*labels);
  }

  /// What the text of a series says, looked at once.
  const Source& source_of(std::string_view text) {
    const auto id = texts_.of(text);
    if (!id.is_new) return sources_[id.id];
    Source& source = sources_.emplace_back();
    const auto labels = engine::parse_series(text);
    if (!labels) {
      source.why = labels.error().detail;
      return source;
    }
    source.item = engine::label_value(*labels, spec_.item);
    if (source.item.empty()) {
      source.why = "it has no label \"" + spec_.item + "\"";
      return source;
    }
    engine::Labels left = *labels;
    std::erase_if(left, [&](const engine::Label& label) { return label.name == spec_.item; });
    const std::string series = engine::series_text(left);
    // Ids outlive the text they are made of.
    const auto found = series_.of(result_.answer.texts.keep(series));
    source.series = found.id;
    source.fine = true;
    return source;
  }

  std::vector<Row> sorted_rows(const ScopeAnswer& scope) {
    std::vector<Row> rows;
    rows.reserve(scope.rows.size());
    Time said;
    Time bucket;
    for (std::size_t i = 0; i < scope.rows.size(); ++i) {
      const Observation& one = scope.rows[i];
      if (one.bucket != said || rows.empty()) bucket = engine::floor_to(said = one.bucket, granularity_);
      Row row{.series = 0, .text = 0, .bucket = bucket, .number = i};
      if (spec_.item.empty()) {
        const auto series = series_.of(one.series);
        row.series = series.id;
      } else {
        const Source& source = source_of(one.series);
        if (!source.fine) {
          refuse(one, source.why);
          continue;
        }
        row.series = source.series;
        row.text = texts_.of(one.series).id;
      }
      rows.push_back(row);
    }
    rank_texts();
    const auto before = [&](const Row& a, const Row& b) {
      if (a.series != b.series) return a.series < b.series;
      if (a.bucket != b.bucket) return a.bucket < b.bucket;
      if (a.text != b.text) return ranks_[a.text] < ranks_[b.text];
      return scope.rows[a.number].value < scope.rows[b.number].value;
    };
    if (!std::is_sorted(rows.begin(), rows.end(), before)) std::sort(rows.begin(), rows.end(), before);
    return rows;
  }

  /// The places of the texts in byte order.
  void rank_texts() {
    const auto& texts = texts_.texts();
    std::vector<std::uint32_t> order(texts.size());
    std::iota(order.begin(), order.end(), 0U);
    std::sort(order.begin(), order.end(),
              [&](std::uint32_t a, std::uint32_t b) { return texts[a] < texts[b]; });
    ranks_.resize(order.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) ranks_[order[i]] = i;
  }

  void build(const ScopeAnswer& scope, const std::vector<Row>& rows, ScopeAnswer& out) {
    for (auto row = rows.begin(); row != rows.end();) {
      const Row& first = *row;
      builder_.begin(first.bucket + granularity_);
      std::string unfit;
      for (; row != rows.end() && row->series == first.series && row->bucket == first.bucket; ++row) {
        const Observation& one = scope.rows[row->number];
        const std::string_view item =
            spec_.item.empty() ? std::string_view{} : std::string_view{sources_[row->text].item};
        const auto wrong = builder_.add(one.value, item);
        if (wrong.empty()) continue;
        refuse(one, wrong);
        if (unfit.empty()) unfit = wrong;
      }
      give(out, kept(first.series), first.bucket,
           unfit.empty() ? engine::Blob{builder_.frame()} : unfit_cell(unfit));
    }
  }

  const CellSpec& spec_;
  engine::Duration granularity_;
  CellBuilder builder_;
  Gathered result_;
  TextIds series_;  // of what is given out
  std::string scope_;
  std::vector<std::string_view> kept_;  // by their ids, in the answer, of the scope
  TextIds texts_;                       // of what came, where it has an item
  std::vector<Source> sources_;         // by their ids
  std::vector<std::uint32_t> ranks_;    // by their ids
};

}  // namespace

engine::Blob unfit_cell(std::string_view why) {
  return engine::Blob{std::string{kUnfit}.append(why)};
}

std::optional<std::string_view> unfit_reason(std::string_view cell) {
  if (!cell.starts_with(kUnfit)) return std::nullopt;
  return cell.substr(kUnfit.size());
}

Gathered gather(const engine::Answer& answer, const CellSpec& spec, engine::Duration granularity) {
  Gatherer gatherer{spec, granularity};
  for (const ScopeAnswer& scope : answer.scopes) gatherer.add(scope);
  return std::move(gatherer).take();
}

}  // namespace settle::query
