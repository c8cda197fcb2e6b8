#include "engine/query/view_outputs.hpp"

#include <algorithm>
#include <utility>

#include "engine/codec/cell/frame.hpp"
#include "engine/query/gather.hpp"

namespace settle::query {

using engine::Time;

namespace {

void prefetch(std::string_view bytes) {
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kMost = 1024;
  for (std::size_t at = 0; at < std::min(bytes.size(), kMost); at += kLine) {
    __builtin_prefetch(bytes.data() + at);
  }
}

/// Cells lie apart from each other: of those that come next, the bytes are fetched ahead.
struct CellsOfSeries {
  static constexpr int kAhead = 4;
  const FinalCells& cells;
  SeriesId series;
  OutputCell& held;

  const OutputCell* operator()(Time bucket) const {
    const engine::Blob* const cell = cells.cell(series, bucket);
    if (cell == nullptr) return nullptr;
    held = {.blob = cell->bytes()};
    return &held;
  }
  void soon(Time bucket, engine::Duration step) const {
    if (const auto* const cell = cells.cell(series, bucket + kAhead * step)) prefetch(cell->bytes());
  }
};

engine::Result<void> merge_cell(sketch::Accumulator& into, std::string_view bytes) {
  if (const auto why = unfit_reason(bytes)) return engine::refused(std::string{*why});
  return codec::merge_cell(into, bytes);
}

}  // namespace

engine::Result<void> OutputMerger::add(Partial& into, const OutputCell& cell) const {
  ++*merges;
  if (cell.fault != nullptr) return *cell.fault;
  if (cell.merged != nullptr) return sketch::merge(into, *cell.merged);
  return merge_cell(into, cell.blob);
}

engine::Result<void> OutputMerger::join(Partial& into, const Partial& later) const {
  ++*merges;
  return sketch::merge(into, later);
}

ViewOutputs::ViewOutputs(Options options)
    : options_(std::move(options)), behind_(options_.granularity, options_.buckets) {
  clear();
}

void ViewOutputs::clear() {
  outputs_.clear();
  inputs_.clear();
  order_.clear();
  is_ordered_ = true;
  behind_of_.reset();
  if (options_.apart) return;
  groups_ = options_.by ? LabelGroups{*options_.by} : LabelGroups::across_scopes();
}

LabelGroups::TextOf ViewOutputs::texts() const {
  return [this](SeriesId id) -> std::string_view { return inputs_[id].series; };
}

std::optional<ViewOutputs::Touched> ViewOutputs::changed(const FinalCells& cells, SeriesId series,
                                                         Time bucket) {
  const bool is_known = series < inputs_.size() && !inputs_[series].series.empty();
  bool is_new = false;
  if (!is_known) {
    if (cells.series(series).empty()) return std::nullopt;
    is_new = enter(cells, series);
    if (inputs_[series].series.empty()) return std::nullopt;
  }
  const OutputId id = inputs_[series].output;
  outputs_[id].newest.changed(bucket);
  return Touched{.id = id, .is_new = is_new};
}

/// Whether its output is new.
bool ViewOutputs::enter(const FinalCells& cells, SeriesId series) {
  if (inputs_.size() <= series) inputs_.resize(series + std::size_t{1});
  Input& input = inputs_[series];
  input.series = cells.series(series);
  if (!groups_) {
    input.output = series;
    begin(series, input.series);
    return true;
  }
  const auto group = groups_->add(series, texts());
  if (!group) {
    input.series.clear();
    return false;
  }
  input.output = *group;
  if (groups_->members(*group).size() > 1) return false;
  engine::Labels labels = groups_->labels(*group);
  if (!options_.by) {
    begin(*group, engine::series_text(labels));
    return true;
  }
  const auto name = [](const engine::Label& label) { return label.name < engine::kMetricNameLabel; };
  labels.insert(std::partition_point(labels.begin(), labels.end(), name),
                {.name = std::string{engine::kMetricNameLabel}, .value = options_.metric});
  begin(*group, engine::series_text(labels));
  return true;
}

void ViewOutputs::begin(OutputId id, std::string series) {
  const Output fresh{.series = {}, .newest = {options_.granularity, options_.buckets}, .front = {}};
  if (outputs_.size() <= id) outputs_.resize(id + std::size_t{1}, fresh);
  outputs_[id] = fresh;
  outputs_[id].series = std::move(series);
  is_ordered_ = false;
}

std::optional<OutputId> ViewOutputs::gone(SeriesId series) {
  if (series >= inputs_.size() || inputs_[series].series.empty()) return std::nullopt;
  const OutputId id = inputs_[series].output;
  if (groups_) groups_->remove(series, texts());
  inputs_[series].series.clear();
  if (groups_ && !groups_->members(id).empty()) return std::nullopt;
  outputs_[id] = {.series = {}, .newest = {options_.granularity, options_.buckets}, .front = {}};
  if (behind_of_ == id) behind_of_.reset();
  is_ordered_ = false;
  return id;
}

void ViewOutputs::forget_before(Time bucket) {
  const auto before_last = options_.granularity * (options_.buckets - 1);
  for (Output& output : outputs_) {
    // Otherwise what is forgotten is in none of the windows that are still to come.
    if (output.front && *output.front - before_last < bucket) output.newest.forget_before(bucket);
  }
}

std::span<const OutputId> ViewOutputs::in_order() {
  if (!is_ordered_) {
    order_.clear();
    for (OutputId id = 0; id < outputs_.size(); ++id) {
      if (!outputs_[id].series.empty()) order_.push_back(id);
    }
    std::sort(order_.begin(), order_.end(),
              [this](OutputId a, OutputId b) { return outputs_[a].series < outputs_[b].series; });
    is_ordered_ = true;
  }
  return order_;
}

/// All there is in the output.
std::optional<SeriesId> ViewOutputs::lone_input(OutputId id) const {
  if (!groups_) return id;
  const auto members = groups_->members(id);
  return members.size() == 1 ? std::optional{members.front()} : std::nullopt;
}

/// The members' cells, merged in the order of their texts; a cell that is alone as it is.
const OutputCell* ViewOutputs::cell_of_group(const FinalCells& cells, GroupId group, Time bucket) {
  const engine::Blob* first = nullptr;
  bool several = false;
  for (const SeriesId member : groups_->members(group)) {
    const engine::Blob* const one = cells.cell(member, bucket);
    if (one == nullptr) continue;
    if (first == nullptr) {
      first = one;
      continue;
    }
    sketch::Accumulator next;
    engine::Result<void> added;
    if (!several) {
      several = true;
      merged_ = {};
      ++merges_;
      added = merge_cell(merged_, first->bytes());
    }
    ++merges_;
    if (added) added = merge_cell(next, one->bytes());
    if (added) added = sketch::merge(merged_, next, sketch::Along::series);
    if (!added) {
      fault_ = added.error();
      cell_ = {.blob = {}, .merged = nullptr, .fault = &fault_};
      return &cell_;
    }
  }
  if (first == nullptr) return nullptr;
  cell_ = several ? OutputCell{.blob = {}, .merged = &merged_} : OutputCell{.blob = first->bytes()};
  return &cell_;
}

void ViewOutputs::soon(const FinalCells& cells, OutputId id, Time last, std::size_t stage) const {
  const Output& output = outputs_[id];
  const auto object = [](const auto& one) { prefetch({reinterpret_cast<const char*>(&one), sizeof one}); };
  if (stage == 0) return object(output);
  const auto windows = output.newest.soon(last + options_.granularity);
  const auto* const kept = static_cast<const KeptWindow*>(windows.kept);
  if (stage == 1) {
    if (kept != nullptr) object(*kept);
    const auto input = lone_input(id);
    const engine::Blob* const cell = input ? cells.cell(*input, last) : nullptr;
    if (cell != nullptr) prefetch(cell->bytes());
    return;
  }
  if (kept != nullptr) prefetch(kept->bytes());
  if (const auto* const ddsketch = std::get_if<sketch::DDSketch>(windows.prefix)) {
    const auto counts = ddsketch->positive().counts();
    prefetch({reinterpret_cast<const char*>(counts.data()), counts.size_bytes()});
  }
}

engine::Result<std::size_t> ViewOutputs::merge(const FinalCells& cells, OutputId id, Time last,
                                               sketch::Accumulator& out) {
  Output& output = outputs_[id];
  const bool is_newest = !output.front || last >= *output.front;
  if (is_newest) output.front = last;
  if (!is_newest && behind_of_ != id) {
    behind_.restart();
    behind_of_ = id;
  }
  Windows& windows = is_newest ? output.newest : behind_;
  const Time end = last + options_.granularity;
  const OutputMerger merger{.merges = &merges_};
  if (const auto input = lone_input(id)) {
    const CellsOfSeries cell_at{.cells = cells, .series = *input, .held = cell_};
    return windows.merge(end, cell_at, merger, out);
  }
  return windows.merge(
      end, [&](Time bucket) { return cell_of_group(cells, id, bucket); }, merger, out);
}

}  // namespace settle::query
