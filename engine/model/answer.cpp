#include "engine/model/answer.hpp"

#include <algorithm>
#include <cstring>

namespace settle::engine {

namespace {
constexpr std::size_t kBlockBytes = std::size_t{64} * 1024;
}

std::string_view TextArena::keep(std::string_view text) {
  if (text.empty()) return {};
  // An arena that was moved from has no blocks, whatever its counters say.
  if (blocks_.empty() || capacity_ - used_ < text.size()) {
    const std::size_t bytes = std::max(kBlockBytes, text.size());
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
    used_ = 0;
    capacity_ = bytes;
  }
  char* const kept = blocks_.back().get() + used_;
  std::memcpy(kept, text.data(), text.size());
  used_ += text.size();
  return {kept, text.size()};
}

}  // namespace settle::engine
