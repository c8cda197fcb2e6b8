#include "cli/text_table.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace settle::cli {
namespace {

bool is_number(const std::string& cell) {
  return cell.find_first_not_of("0123456789.-+") == std::string::npos;  // "" too: it decides nothing
}

void append(std::string& line, const std::string& cell, std::size_t width, bool to_the_right) {
  const std::string padding(width - std::min(width, cell.size()), ' ');
  line += (line.empty() ? "" : "  ") + (to_the_right ? padding + cell : cell + padding);
}

std::string trimmed(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

}  // namespace

TextTable::TextTable(std::vector<std::string> columns) : columns_(std::move(columns)) {}

void TextTable::add(std::vector<std::string> row) {
  assert(row.size() == columns_.size());
  rows_.push_back(std::move(row));
}

std::string TextTable::text() const {
  std::vector<std::size_t> widths;
  std::vector<bool> numeric;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = columns_[i].size();
    bool all_numbers = !rows_.empty();
    for (const auto& row : rows_) {
      width = std::max(width, row[i].size());
      all_numbers = all_numbers && is_number(row[i]);
    }
    widths.push_back(width);
    numeric.push_back(all_numbers);
  }
  const auto line_of = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) append(line, cells[i], widths[i], numeric[i]);
    return trimmed(std::move(line));
  };
  std::string text = line_of(columns_);
  for (const auto& row : rows_) text += line_of(row);
  return text;
}

}  // namespace settle::cli
