// bench/traces.cpp: writes the traces of made-up sources (cli/replay/shapes.hpp) as files; scripts/traces.
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/replay/shapes.hpp"
#include "fetchers/trace_writer.hpp"

namespace {

using settle::cli::ShapeOptions;

struct Arguments {
  std::filesystem::path folder;
  ShapeOptions options;
  std::vector<std::string> names;
};

int usage() {
  std::cerr << "usage: settle_traces OUTDIR [--seed N] [--windows N] [--shape NAME ...]\nshapes:\n";
  for (const auto& shape : settle::cli::shapes()) {
    std::cerr << "  " << shape.name << std::string(16 - shape.name.size(), ' ') << shape.description << '\n';
  }
  return 2;
}

template <class Number>
bool read_number(std::string_view text, Number& into) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), into);
  return read.ec == std::errc{} && read.ptr == text.data() + text.size();
}

std::optional<Arguments> parse(const std::vector<std::string>& given) {
  Arguments arguments;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const bool has_value = i + 1 < given.size();
    if (given[i] == "--shape" && has_value) {
      for (++i; i < given.size() && !given[i].starts_with("--"); ++i) arguments.names.push_back(given[i]);
      --i;
    } else if (given[i] == "--seed" && has_value) {
      if (!read_number(given[++i], arguments.options.seed)) return std::nullopt;
    } else if (given[i] == "--windows" && has_value) {
      if (!read_number(given[++i], arguments.options.windows)) return std::nullopt;
    } else if (arguments.folder.empty() && !given[i].starts_with("-")) {
      arguments.folder = given[i];
    } else {
      return std::nullopt;
    }
  }
  if (arguments.folder.empty() || arguments.options.windows == 0) return std::nullopt;
  if (arguments.names.empty()) {
    for (const auto& shape : settle::cli::shapes()) arguments.names.emplace_back(shape.name);
  }
  return arguments;
}

int write_traces(const Arguments& arguments) {
  std::error_code error;
  std::filesystem::create_directories(arguments.folder, error);
  for (const std::string& name : arguments.names) {
    const auto made = settle::cli::make_shape(name, arguments.options);
    if (!made) {
      std::cerr << "settle_traces: " << made.error().detail << '\n';
      return 2;
    }
    const std::filesystem::path path = arguments.folder / (name + ".jsonl");
    std::ofstream out(path, std::ios::binary);
    out << "# shape " << name << ", seed " << arguments.options.seed << ", " << arguments.options.windows
        << " windows of 1m\n";
    settle::fetchers::write_trace(out, made->trace);
    if (!out.flush()) {
      std::cerr << "settle_traces: cannot write " << path << '\n';
      return 1;
    }
    std::cout << path.string() << ": " << made->trace.lines.size() << " lines\n";
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = parse({argv + 1, argv + argc});
  return arguments ? write_traces(*arguments) : usage();
}
