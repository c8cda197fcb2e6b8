// sinks/series_text.hpp: the canonical text of a series, held once for all the rows that carry it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace settle::sinks {

/// Never changes; a copy shares the text, so rows are cheap to copy and to keep.
class SeriesText {
 public:
  SeriesText() = default;  // ""
  SeriesText(std::string text) : text_(std::make_shared<const std::string>(std::move(text))) {}
  SeriesText(const char* text) : SeriesText(std::string{text}) {}

  [[nodiscard]] std::string_view view() const {
    return text_ ? std::string_view{*text_} : std::string_view{};
  }
  operator std::string_view() const { return view(); }
  [[nodiscard]] bool empty() const { return view().empty(); }
  /// Without a look at the text: true for copies of one another.
  [[nodiscard]] bool shares(const SeriesText& other) const { return text_ == other.text_; }

  friend bool operator==(const SeriesText& a, const SeriesText& b) { return a.view() == b.view(); }
  friend bool operator==(const SeriesText& a, std::string_view b) { return a.view() == b; }
  friend bool operator==(const SeriesText& a, const char* b) { return a.view() == b; }

 private:
  std::shared_ptr<const std::string> text_;
};

}  // namespace settle::sinks
