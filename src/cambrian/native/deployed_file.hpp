// The file of a deployed potential: a safetensors container of F64 and I64 arrays, read with distrust.
//
//     8 bytes n, little endian      n bytes JSON: {"__metadata__": {...}, name: {dtype, shape, data_offsets}, ...}      data
//
// Its metadata are strings: `format`, `version`, `checksum` (CRC-32 of the whole file with these eight digits as zeros) ...
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace cambrian::deployed {

struct Fault {  // thrown while a file is opened: what is wrong, for a user, and the mend
  std::string text, mend = "deploy it again with this Cambrian";
};

struct Array {
  bool real;  // doubles, else int64
  std::vector<int64_t> shape;
  const void *at;
  int64_t count;
};

class File {
 public:
  explicit File(const char *path);  // throws Fault

  const std::map<std::string, Array> &arrays() const { return arrays_; }
  const std::string &metadata(const char *name) const;  // throws Fault where it is not there

 private:
  std::unique_ptr<uint64_t[]> bytes_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, Array> arrays_;
};

// The product of a shape; -1 where a factor is negative or it exceeds `most`.
int64_t product(const std::vector<int64_t> &shape, int64_t most);

}  // namespace cambrian::deployed
