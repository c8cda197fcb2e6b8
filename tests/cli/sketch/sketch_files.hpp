// tests/cli/sketch/sketch_files.hpp: the commands on files of other implementations, without a process.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "cli/sketch/run.hpp"

namespace settle::test {

inline std::string golden_file(const std::string& path) {
  return std::string{SETTLE_TEST_DATA "/golden/"} + path;
}

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
  [[nodiscard]] boost::json::object json() const {
    boost::json::error_code failed;
    auto value = boost::json::parse(out, failed);
    EXPECT_FALSE(failed) << out << err;
    return value.is_object() ? value.get_object() : boost::json::object{};
  }
};

template <class Arguments, class Command>
Outcome run(Command command, const Arguments& arguments, const std::string& input = "") {
  std::istringstream in{input};
  std::ostringstream out;
  std::ostringstream err;
  Outcome outcome;
  outcome.code = command(arguments, cli::Streams{.in = in, .out = out, .err = err});
  outcome.out = out.str();
  outcome.err = err.str();
  return outcome;
}

inline Outcome inspect(const std::string& file, const cli::BlobOptions& blob = {},
                       const std::string& input = "") {
  return run(cli::inspect_sketch, cli::InspectArguments{.file = file, .blob = blob}, input);
}

inline Outcome build(const cli::BuildOptions& options, const std::string& values) {
  return run(cli::build_sketch, cli::BuildArguments{.build = options}, values);
}

/// A folder of its own that goes with the test.
class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / unique()) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream{file(name), std::ios::binary} << bytes;
    return file(name);
  }
  [[nodiscard]] static std::string read(const std::string& path) {
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }

 private:
  static std::string unique() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    return "settle-sketch-" + std::string{info->name()} + "-" +
           std::to_string(std::filesystem::file_time_type::clock::now().time_since_epoch().count());
  }
  std::filesystem::path path_;
};

}  // namespace settle::test
