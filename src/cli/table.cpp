#include "table.hpp"

#include <algorithm>
#include <cstddef>

namespace belay::cli {
namespace {

constexpr int kGap = 2;

}  // namespace

// 0: the column has nothing to say.
std::vector<int> Table::widths() const {
    std::size_t columns = titles_.size();
    for (const auto& row : rows_)
        columns = std::max(columns, row.size());
    std::vector<int> widths(columns, 0);
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], display_width(row[i].text));
    for (std::size_t i = 0; i < titles_.size(); ++i)
        if (widths[i] > 0) widths[i] = std::max(widths[i], display_width(titles_[i]));
    return widths;
}

std::string Table::render(const Canvas& canvas, int indent) const {
    auto columns = widths();
    auto line = [&](const std::vector<Cell>& cells) {
        std::string text(static_cast<std::size_t>(indent), ' ');
        int at = indent;
        int owed = 0;  // blanks before the next text: none stand at a line's end
        for (std::size_t i = 0; i < cells.size(); ++i) {
            if (columns[i] == 0) continue;
            bool last = i + 1 == columns.size();
            auto content = last && canvas.width > 0
                               ? clipped(cells[i].text, std::max(canvas.width - at - owed, 8))
                               : cells[i].text;
            if (!content.empty()) {
                text.append(static_cast<std::size_t>(owed), ' ');
                text += styled(content, cells[i].style, canvas.color);
                at += owed + display_width(content);
                owed = 0;
            }
            owed += columns[i] - display_width(content) + kGap;
        }
        return text + "\n";
    };

    std::string text;
    if (!titles_.empty() && !rows_.empty()) {
        std::vector<Cell> header;
        for (const auto& title : titles_)
            header.push_back({title, Style::dim});
        text += line(header);
    }
    for (const auto& row : rows_)
        text += line(row);
    return text;
}

}  // namespace belay::cli
