#include "api/request.hpp"

#include <gtest/gtest.h>

namespace settle::api {
namespace {

net::ServerRequest with_query(const std::string& name, const std::string& value) {
  net::ServerRequest request;
  request.query = {{name, value}};
  return request;
}

TEST(Request, ReadsALimitWithinBounds) {
  EXPECT_EQ(*page_limit({}), kPageDefault);
  EXPECT_EQ(*page_limit(with_query("limit", "1")), 1U);
  EXPECT_EQ(*page_limit(with_query("limit", "1000")), 1000U);
  for (const char* bad : {"0", "1001", "-1", "", "1x", " 1", "99999999999999999999"}) {
    const auto limit = page_limit(with_query("limit", bad));
    ASSERT_FALSE(limit) << bad;
    EXPECT_EQ(limit.refusal().field, "limit");
    EXPECT_EQ(limit.refusal().kind, runner::Refusal::Kind::invalid);
  }
}

TEST(Request, ReadsAFlagAsTrueOrFalse) {
  EXPECT_FALSE(*query_flag({}, "replace"));
  EXPECT_TRUE(*query_flag(with_query("replace", "true"), "replace"));
  EXPECT_FALSE(*query_flag(with_query("replace", "false"), "replace"));
  EXPECT_FALSE(query_flag(with_query("replace", "yes"), "replace"));
  EXPECT_FALSE(query_flag(with_query("replace", ""), "replace"));
}

TEST(Request, KnowsAForeignOrigin) {
  struct Row {
    const char* origin;
    const char* host;
    bool foreign;
  };
  for (const Row& row : {
           Row{"http://settle:8480", "settle:8480", false},
           Row{"http://Settle", "settle:80", false},
           Row{"https://settle", "settle", false},
           Row{"https://settle:443", "settle", false},
           Row{"http://evil.example", "settle:8480", true},
           Row{"http://settle:9999", "settle:8480", true},
           Row{"http://settle.evil.example", "settle", true},
           Row{"null", "settle", true},
           Row{"", "settle", true},
           Row{"file://", "settle", true},
           Row{"http://evil.example", "", true},
       }) {
    net::ServerRequest request;
    request.headers = {{"host", row.host}, {"origin", row.origin}};
    EXPECT_EQ(is_foreign_origin(request), row.foreign) << row.origin << " " << row.host;
  }
  net::ServerRequest program;
  program.headers = {{"host", "settle"}};
  EXPECT_FALSE(is_foreign_origin(program)) << "only browsers send an origin";
}

}  // namespace
}  // namespace settle::api
