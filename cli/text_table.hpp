// cli/text_table.hpp: columns of text for a terminal.
#pragma once

#include <string>
#include <vector>

namespace settle::cli {

class TextTable {
 public:
  explicit TextTable(std::vector<std::string> columns);
  /// As many cells as there are columns.
  void add(std::vector<std::string> row);
  [[nodiscard]] const std::vector<std::string>& columns() const { return columns_; }
  /// Header and rows, two spaces between columns, numbers to the right.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::string> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace settle::cli
