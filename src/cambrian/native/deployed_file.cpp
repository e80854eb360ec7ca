// Reading, and refusing, the file of a deployed potential; see deployed_file.hpp.
#include "deployed_file.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "deployed_json.hpp"

namespace cambrian::deployed {

namespace {

constexpr int64_t kMostHeader = int64_t(1) << 27, kChecksum = 8;
constexpr char kFormat[] = "cambrian compiled potential", kVersion[] = "1";

std::pair<std::unique_ptr<uint64_t[]>, int64_t> contents(const char *path) {
  std::error_code problem;
  if (!std::filesystem::is_regular_file(path, problem)) throw Fault{"there is no such file", "name its whole path, or start where it lies"};
  const auto size = int64_t(std::filesystem::file_size(path, problem));
  std::FILE *file = problem ? nullptr : std::fopen(path, "rb");
  if (!file) throw Fault{"it cannot be opened"};
  std::unique_ptr<std::FILE, int (*)(std::FILE *)> closing(file, std::fclose);
  auto bytes = std::make_unique<uint64_t[]>(std::size_t(size / 8 + 1));
  if (std::fread(bytes.get(), 1, std::size_t(size), file) != std::size_t(size)) throw Fault{"it cannot be read to its end"};
  return {std::move(bytes), size};
}

uint32_t crc32(const unsigned char *bytes, int64_t n, uint32_t crc) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> made{};
    for (uint32_t k = 0; k < 256; ++k) {
      uint32_t c = k;
      for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
      made[k] = c;
    }
    return made;
  }();
  for (int64_t k = 0; k < n; ++k) crc = table[(crc ^ bytes[k]) & 0xff] ^ crc >> 8;
  return crc;
}

// With the eight digits at `digits` as zeros.
uint32_t checksum(const unsigned char *bytes, int64_t size, int64_t digits) {
  const unsigned char zeros[] = "00000000";
  uint32_t crc = crc32(bytes, digits, 0xffffffffu);
  crc = crc32(zeros, kChecksum, crc);
  return ~crc32(bytes + digits + kChecksum, size - digits - kChecksum, crc);
}

Array checked(const std::string &name, const Entry &entry, const unsigned char *data, int64_t n_data) {
  const int64_t from = entry.offsets[0], to = entry.offsets[1], count = product(entry.shape, n_data / 8);
  if (entry.dtype != "F64" && entry.dtype != "I64") throw Fault{"its array " + name + " is neither F64 nor I64"};
  if (from % 8 || to > n_data || from > to || count < 0 || to - from != 8 * count)
    throw Fault{"the place of its array " + name + " is not right"};
  return {entry.dtype == "F64", entry.shape, data + from, count};
}

}  // namespace

int64_t product(const std::vector<int64_t> &shape, int64_t most) {
  int64_t found = 1;
  bool nothing = false;
  for (int64_t n : shape) {
    if (n < 0) return -1;
    nothing = nothing || n == 0;
  }
  for (int64_t n : shape) {
    if (nothing) return 0;
    if (n > most / found) return -1;
    found *= n;
  }
  return found <= most ? found : -1;
}

File::File(const char *path) {
  auto [bytes, size] = contents(path);
  bytes_ = std::move(bytes);
  const auto *all = reinterpret_cast<const unsigned char *>(bytes_.get());
  uint64_t length = 0;
  for (int k = 7; k >= 0 && size >= 8; --k) length = length << 8 | all[k];
  if (size < 8 || length > uint64_t(std::min(size - 8, kMostHeader)) || length % 8)
    throw Fault{"it is no safetensors file of aligned arrays, or it was cut off"};
  Header header = read_header(reinterpret_cast<const char *>(all) + 8, int64_t(length));
  metadata_ = std::move(header.metadata);
  if (metadata("format") != kFormat) throw Fault{"it is another kind of file"};
  if (metadata("version") != kVersion) throw Fault{"its version " + metadata("version") + " is not " + kVersion};
  const std::string &told = metadata("checksum");
  char found[kChecksum + 1];
  const int64_t digits = 8 + header.value_at["checksum"];
  if (told.size() != kChecksum || digits + kChecksum > size) throw Fault{"its checksum is not one"};
  std::snprintf(found, sizeof found, "%08x", checksum(all, size, digits));
  if (told != found) throw Fault{"it was damaged or cut off (its checksum differs)"};
  std::vector<std::pair<int64_t, int64_t>> places;
  const int64_t n_data = size - 8 - int64_t(length);
  for (const auto &[name, entry] : header.arrays) {
    arrays_.emplace(name, checked(name, entry, all + 8 + length, n_data));
    places.emplace_back(entry.offsets[0], entry.offsets[1]);
  }
  std::sort(places.begin(), places.end());
  int64_t end = 0;
  for (auto [from, to] : places) {
    if (from != end) throw Fault{"its arrays overlap, or leave gaps"};
    end = to;
  }
  if (end != n_data) throw Fault{"it is longer than its arrays"};
}

const std::string &File::metadata(const char *name) const {
  const auto at = metadata_.find(name);
  if (at == metadata_.end()) throw Fault{std::string("it does not say its ") + name};
  return at->second;
}

}  // namespace cambrian::deployed
