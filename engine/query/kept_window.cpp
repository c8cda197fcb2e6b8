#include "engine/query/kept_window.hpp"

#include <cassert>

#include "engine/codec/cell/frame.hpp"

namespace settle::query {

using sketch::Accumulator;
using sketch::DDSketch;
using sketch::PackedDDSketch;

void KeptWindow::keep(const Accumulator& window) {
  if (const auto* ddsketch = std::get_if<DDSketch>(&window)) {
    auto* packed = std::get_if<PackedDDSketch>(&held_);
    if (packed == nullptr) packed = &held_.emplace<PackedDDSketch>();
    packed->pack(*ddsketch);
  } else if (const auto* stats = std::get_if<sketch::Stats>(&window)) {
    held_ = *stats;
  } else {
    held_ = codec::encode_cell(window);
  }
}

void KeptWindow::restore(Accumulator& out) const {
  if (const auto* packed = std::get_if<PackedDDSketch>(&held_)) {
    auto* ddsketch = std::get_if<DDSketch>(&out);
    if (ddsketch == nullptr) ddsketch = &out.emplace<DDSketch>();
    packed->unpack(*ddsketch);
  } else if (const auto* stats = std::get_if<sketch::Stats>(&held_)) {
    out = *stats;
  } else {
    out = Accumulator{};
    if (const auto* frame = std::get_if<std::string>(&held_)) {
      const auto merged = codec::merge_cell(out, *frame);
      assert(merged);  // what was written here
      (void)merged;
    }
  }
}

std::string_view KeptWindow::bytes() const {
  if (const auto* packed = std::get_if<PackedDDSketch>(&held_)) return packed->bytes();
  if (const auto* frame = std::get_if<std::string>(&held_)) return *frame;
  return {};
}

}  // namespace settle::query
