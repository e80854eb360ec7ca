// A strict reader of safetensors headers; every byte is looked at once, and none beyond the end.
#include "deployed_json.hpp"

#include "deployed_file.hpp"

namespace cambrian::deployed {

namespace {

constexpr int kMostDimensions = 8;

class Reader {
 public:
  Reader(const char *text, int64_t size) : text_(text), size_(size) {}

  Header header() {
    Header found;
    members([&](const std::string &name) {
      if (name == "__metadata__")
        members([&](const std::string &key) {
          skip();
          const int64_t at = at_ + 1;
          if (!found.metadata.emplace(key, string()).second) fail();
          found.value_at[key] = at;
        });
      else if (!found.arrays.emplace(name, entry()).second)
        fail();
    });
    skip();
    if (at_ != size_) fail();
    return found;
  }

 private:
  [[noreturn]] static void fail() { throw Fault{"its header cannot be read"}; }

  void skip() {
    while (at_ < size_ && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
  }

  bool next(char c) {
    skip();
    if (at_ >= size_ || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!next(c)) fail();
  }

  template <class Member>
  void members(Member member) {
    expect('{');
    if (next('}')) return;
    do {
      skip();
      const std::string name = string();
      expect(':');
      member(name);
    } while (next(','));
    expect('}');
  }

  char take() {
    if (at_ >= size_) fail();
    return text_[at_++];
  }

  std::string string() {
    if (take() != '"') fail();
    std::string found;
    for (char c = take(); c != '"'; c = take()) {
      if (static_cast<unsigned char>(c) < 0x20) fail();
      if (c == '\\')
        escape(found);
      else
        found += c;
    }
    return found;
  }

  void escape(std::string &found) {
    const char c = take();
    if (c == '"' || c == '\\' || c == '/')
      found += c;
    else if (c == 'n' || c == 't')
      found += ' ';
    else if (c == 'u')
      unicode(found);
    else
      fail();
  }

  void unicode(std::string &found) {  // of the first plane
    unsigned code = 0;
    for (int k = 0; k < 4; ++k) {
      const char c = take();
      const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) fail();
      code = code * 16 + digit;
    }
    if (code < 0x20 || (code >= 0xd800 && code < 0xe000)) fail();
    if (code < 0x80) {
      found += char(code);
    } else if (code < 0x800) {
      found += char(0xc0 | code >> 6), found += char(0x80 | (code & 0x3f));
    } else {
      found += char(0xe0 | code >> 12), found += char(0x80 | (code >> 6 & 0x3f)), found += char(0x80 | (code & 0x3f));
    }
  }

  std::vector<int64_t> numbers() {
    expect('[');
    std::vector<int64_t> found;
    if (next(']')) return found;
    do {
      if (found.size() == kMostDimensions) fail();
      found.push_back(number());
    } while (next(','));
    expect(']');
    return found;
  }

  int64_t number() {
    skip();
    int64_t value = 0;
    const int64_t begin = at_;
    for (; at_ < size_ && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (value > (INT64_MAX - 9) / 10) fail();
      value = 10 * value + (text_[at_] - '0');
    }
    if (at_ == begin) fail();
    return value;
  }

  Entry entry() {
    Entry found;
    int seen = 0;
    members([&](const std::string &key) {
      skip();
      if (key == "dtype")
        found.dtype = string(), seen |= 1;
      else if (key == "shape")
        found.shape = numbers(), seen |= 2;
      else if (key == "data_offsets")
        found.offsets = numbers(), seen |= 4;
      else
        fail();
    });
    if (seen != 7 || found.offsets.size() != 2) fail();
    return found;
  }

  const char *text_;
  int64_t size_, at_ = 0;
};

}  // namespace

Header read_header(const char *text, int64_t size) { return Reader(text, size).header(); }

}  // namespace cambrian::deployed
