// tests/runner/store/store_directory.hpp: a fresh directory for one test, gone with it.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include <gtest/gtest.h>

namespace settle::runner {

class StoreDirectory {
 public:
  StoreDirectory() {
    // In memory where there is room: thousands of flushed commits take seconds on a disk, and no test cuts
    // the power.
    std::error_code error;
    const std::filesystem::path memory = "/dev/shm";
    const auto space = std::filesystem::space(memory, error);
    const bool fits = !error && space.available > (std::uintmax_t{256} << 20);
    std::string name =
        ((fits ? memory : std::filesystem::temp_directory_path()) / "settle_store_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "cannot make " << name;
    path_ = name;
  }
  StoreDirectory(const StoreDirectory&) = delete;
  StoreDirectory& operator=(const StoreDirectory&) = delete;
  ~StoreDirectory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace settle::runner
