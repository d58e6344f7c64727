#include "json_fields.hpp"

#include <nlohmann/json.hpp>

#include <map>

namespace belay::forge {
namespace {

using nlohmann::json;

constexpr std::size_t kDeepest = 64;  // spec/decisions.md 27
constexpr int kUnwanted = -1;

// A name on the way to a wanted field; an array's element is its child "[]".
struct Node {
    std::string path;
    std::map<std::string, int, std::less<>> children;
    std::optional<FieldType> type;  // of a wanted field
    bool seen = false;              // in the object that is being read
    bool strict = false;            // it is no hint, or holds what is none
};

std::vector<Node> make_tree(const std::vector<Field>& wanted) {
    std::vector<Node> tree(1);
    auto child = [&tree](int parent, std::string_view name, std::string path) {
        auto fresh = static_cast<int>(tree.size());
        auto [place, added] =
            tree[static_cast<std::size_t>(parent)].children.try_emplace(std::string(name), fresh);
        auto index = place->second;
        if (added) tree.push_back(Node{std::move(path), {}, {}, false, false});
        return index;
    };
    for (const auto& field : wanted) {
        int node = 0;
        auto enter = [&](int next) {
            node = next;
            if (field.type != FieldType::hint) tree[static_cast<std::size_t>(node)].strict = true;
        };
        enter(0);
        for (std::size_t at = 0; at < field.path.size();) {
            auto end = std::min(field.path.find('.', at), field.path.size());
            auto name = field.path.substr(at, end - at);
            auto path = std::string(field.path.substr(0, end));
            bool elements = name.ends_with("[]");
            if (elements) name.remove_suffix(2);
            enter(child(node, name, elements ? path.substr(0, path.size() - 2) : path));
            if (elements) enter(child(node, "[]", path));
            at = end + 1;
        }
        tree[static_cast<std::size_t>(node)].type = field.type;
    }
    return tree;
}

class Reader : public nlohmann::json_sax<json> {
  public:
    Reader(std::vector<Node> tree, const FieldSink& sink) : tree_(std::move(tree)), sink_(sink) {}

    Result<std::optional<std::string>> read(std::string_view text) {
        if (!json::sax_parse(text.begin(), text.end(), this)) return Error{Errc::invalid, failure_};
        return wrong_type_;
    }

    bool null() override { return scalar(std::nullopt); }
    bool boolean(bool value) override { return scalar(FieldValue(value)); }
    bool number_integer(number_integer_t) override { return number(); }
    bool number_unsigned(number_unsigned_t) override { return number(); }
    bool number_float(number_float_t, const string_t&) override { return number(); }
    bool binary(binary_t&) override { return false; }  // not of JSON
    bool string(string_t& value) override { return scalar(FieldValue(std::move(value))); }

    bool start_object(std::size_t) override { return open(false); }
    bool start_array(std::size_t) override { return open(true); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(string_t& name) override {
        next_ = kUnwanted;
        if (open_.back() == kUnwanted) return true;
        const auto& children = at(open_.back()).children;
        auto place = children.find(name);
        if (place == children.end()) return true;
        auto& node = at(place->second);
        if (node.seen) return fail("the field \"" + node.path + "\" appears twice");
        node.seen = true;
        next_ = place->second;
        return true;
    }

    bool parse_error(std::size_t position, const std::string&,
                     const nlohmann::detail::exception&) override {
        return fail("no valid JSON at byte " + std::to_string(position));
    }

  private:
    Node& at(int node) { return tree_[static_cast<std::size_t>(node)]; }

    bool fail(std::string why) {
        if (failure_.empty()) failure_ = std::move(why);
        return false;
    }

    // The node that the value to come belongs to.
    int place() {
        if (open_.empty()) return 0;
        if (!arrays_.back()) return next_;
        if (open_.back() == kUnwanted) return kUnwanted;
        const auto& children = at(open_.back()).children;
        auto element = children.find("[]");
        return element == children.end() ? kUnwanted : element->second;
    }

    // Whether to go on reading.
    bool complain(const Node& node) {
        if (node.path.empty()) return fail("the body must be an object");
        if (wrong_type_ || !node.strict) return true;
        std::string_view type = "an object";
        if (node.type) type = *node.type == FieldType::boolean ? "true or false" : "a string";
        if (node.children.contains("[]")) type = "an array";
        wrong_type_ = "the field \"" + node.path + "\" must be " + std::string(type);
        return true;
    }

    bool number() {
        auto node = place();
        return node == kUnwanted || complain(at(node));
    }

    bool scalar(std::optional<FieldValue> value) {
        auto index = place();
        if (index == kUnwanted) return true;
        const auto& node = at(index);
        if (!value) {
            // Null is how "none" is said, but it is no body and no element.
            if (index == 0 || arrays_.back()) return complain(node);
        } else if (!node.type ||
                   (*node.type == FieldType::boolean) != std::holds_alternative<bool>(*value)) {
            return complain(node);
        } else {
            sink_(node.path, std::move(*value));
        }
        return true;
    }

    bool open(bool array) {
        if (open_.size() == kDeepest) return fail("nested deeper than 64");
        auto index = place();
        if (index != kUnwanted) {
            auto& node = at(index);
            // A field that may be a text or an object is wanted as both.
            bool fits = !node.children.empty() && node.children.contains("[]") == array;
            if (fits) {
                for (auto [name, child] : node.children)
                    at(child).seen = false;
                if (!array && node.path.ends_with("[]"))
                    sink_(node.path, FieldValue(std::string()));
            } else {
                if (!complain(node)) return false;
                index = kUnwanted;
            }
        }
        open_.push_back(index);
        arrays_.push_back(array);
        return true;
    }

    bool close() {
        open_.pop_back();
        arrays_.pop_back();
        return true;
    }

    std::vector<Node> tree_;
    const FieldSink& sink_;
    std::vector<int> open_;  // nodes of the objects and arrays around
    std::vector<bool> arrays_;
    int next_ = kUnwanted;  // of the key just read
    std::string failure_;
    std::optional<std::string> wrong_type_;
};

}  // namespace

Result<std::optional<std::string>> read_fields(std::string_view json,
                                               const std::vector<Field>& wanted,
                                               const FieldSink& sink) {
    Reader reader(make_tree(wanted), sink);
    return reader.read(json);
}

}  // namespace belay::forge
