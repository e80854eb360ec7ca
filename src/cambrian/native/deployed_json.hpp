// The JSON of a safetensors header, and no more than that: objects, strings and whole numbers from 0.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace cambrian::deployed {

struct Entry {  // of one array
  std::string dtype;
  std::vector<int64_t> shape, offsets;
};

struct Header {
  std::map<std::string, std::string> metadata;
  std::map<std::string, Entry> arrays;
  std::map<std::string, std::int64_t> value_at;  // where the text of a metadata value begins
};

Header read_header(const char *text, int64_t size);  // throws Fault

}  // namespace cambrian::deployed
