#include <algorithm>
#include <cctype>
#include <set>
#include <string>

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include "api/routes.hpp"
#include "tests/api/api_fixture.hpp"

namespace settle::api {
namespace {

using OpenApi = ApiTest;

std::set<std::string> properties(const YAML::Node& document, const std::string& schema) {
  std::set<std::string> names;
  for (const auto& property : document["components"]["schemas"][schema]["properties"]) {
    names.insert(property.first.as<std::string>());
  }
  return names;
}

TEST_F(OpenApi, DescribesEveryEndpointAndNoOther) {
  const YAML::Node document = YAML::LoadFile(SETTLE_OPENAPI);
  std::set<Endpoint> described;
  for (const auto& path : document["paths"]) {
    std::string example = path.first.as<std::string>();
    std::erase_if(example, [](char c) { return c == '{' || c == '}'; });
    for (const auto& operation : path.second) {
      std::string method = operation.first.as<std::string>();
      if (method == "parameters") continue;
      std::transform(method.begin(), method.end(), method.begin(),
                     [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      const Endpoint endpoint = find_route(method, example).endpoint;
      EXPECT_LT(endpoint, Endpoint::no_such_path) << method << " " << example;
      EXPECT_TRUE(described.insert(endpoint).second) << method << " " << example;
    }
  }
  EXPECT_EQ(described.size(), static_cast<std::size_t>(Endpoint::no_such_path));
}

TEST_F(OpenApi, DescribesEveryMemberOfAJob) {
  const YAML::Node document = YAML::LoadFile(SETTLE_OPENAPI);
  std::set<std::string> known = properties(document, "Job");
  known.merge(properties(document, "JobRequest"));
  const auto job = ask_object(200, "GET", kJobs + ("/" + add("p")));
  for (const auto& member : job) EXPECT_TRUE(known.count(std::string(member.key())) > 0) << member.key();
}

TEST_F(OpenApi, NamesOnlyFieldsThatARequestMayHave) {
  const YAML::Node document = YAML::LoadFile(SETTLE_OPENAPI);
  for (const std::string& field : properties(document, "JobRequest")) {
    const auto problem = ask_object(422, "POST", kJobs, "{\"" + field + "\":null}");
    EXPECT_EQ(std::string(problem.at("detail").as_string()).find("not a field"), std::string::npos) << field;
  }
  EXPECT_NE(std::string(ask_object(422, "POST", kJobs, R"({"colour":1})").at("detail").as_string())
                .find("not a field"),
            std::string::npos);
}

}  // namespace
}  // namespace settle::api
