// Whole records in and out of statements, and the SQL that goes with them.
#pragma once

#include "fields.hpp"
#include "records.hpp"
#include "sqlite.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace belay::store {

template <class Record>
std::vector<std::string_view> column_names() {
    std::vector<std::string_view> names;
    const Record none{};
    Columns<Record>::columns(none,
                             [&](std::string_view name, const auto&) { names.push_back(name); });
    return names;
}

// `"id", "app", ...`: quoted, as `commit` is a keyword.
template <class Record>
std::string column_list() {
    std::string list;
    for (auto name : column_names<Record>()) {
        if (!list.empty()) list += ", ";
        list.append("\"").append(name).append("\"");
    }
    return list;
}

template <class Record>
std::string placeholders() {
    std::string marks = "?";
    for (std::size_t i = 1; i < column_names<Record>().size(); ++i)
        marks += ", ?";
    return marks;
}

// SELECT ... FROM table, to which `rest` is added.
template <class Record>
std::string select(std::string_view rest) {
    return "SELECT " + column_list<Record>() + " FROM " + std::string(Columns<Record>::kTable) +
           ' ' + std::string(rest);
}

// The same of a record whose `id` the database assigns; read by read_numbered().
template <class Record>
std::string select_numbered(std::string_view rest) {
    return "SELECT id, " + column_list<Record>() + " FROM " + std::string(Columns<Record>::kTable) +
           ' ' + std::string(rest);
}

template <class Record>
const std::string& insert_sql() {
    static const auto sql = "INSERT INTO " + std::string(Columns<Record>::kTable) + " (" +
                            column_list<Record>() + ") VALUES (" + placeholders<Record>() + ")";
    return sql;
}

// Nothing happens where the row is there. Never INSERT OR REPLACE: that deletes the old row, and
// with it all that refers to it.
template <class Record>
const std::string& insert_new_sql() {
    static const auto sql = insert_sql<Record>() + " ON CONFLICT (" +
                            std::string(Columns<Record>::kKey) + ") DO NOTHING";
    return sql;
}

// Its parameters are those of the insert.
template <class Record>
const std::string& update_sql() {
    static const auto sql = [] {
        const std::string key = ", " + std::string(Columns<Record>::kKey) + ", ";
        std::string set, where;
        int number = 0;
        for (auto name : column_names<Record>()) {
            const bool in_key = key.find(", " + std::string(name) + ", ") != std::string::npos;
            auto& clause = in_key ? where : set;
            if (!clause.empty()) clause += in_key ? " AND " : ", ";
            clause.append("\"").append(name).append("\" = ?").append(std::to_string(++number));
        }
        return "UPDATE " + std::string(Columns<Record>::kTable) + " SET " + set + " WHERE " + where;
    }();
    return sql;
}

template <class... Values>
void bind_all(Query& query, const Values&... values) {
    (put(query, values), ...);
}

template <class Record>
void bind_record(Query& query, const Record& record) {
    Columns<Record>::columns(record,
                             [&](std::string_view, const auto& field) { put(query, field); });
}

// The present row; a value that can't be understood makes the query fail.
template <class Record>
Record read_record(Query& query) {
    Record record;
    Columns<Record>::columns(record, [&](std::string_view name, auto& field) {
        auto complaint = take(query, field);
        if (complaint.empty()) return;
        query.fail(Error{Errc::internal, "the database's table " +
                                             std::string(Columns<Record>::kTable) + ", column " +
                                             std::string(name) + ": " + complaint +
                                             "; was it written by a newer belay?"});
    });
    return record;
}

template <class Record>
Result<std::vector<Record>> read_all(Query& query) {
    std::vector<Record> records;
    while (true) {
        auto row = query.step();
        if (!row) return row.error();
        if (!*row) return records;
        records.push_back(read_record<Record>(query));
    }
}

template <class Record>
Result<std::vector<Record>> read_numbered(Query& query) {
    std::vector<Record> records;
    while (true) {
        auto row = query.step();
        if (!row) return row.error();
        if (!*row) return records;
        auto id = query.next_integer();
        records.push_back(read_record<Record>(query));
        records.back().id = id;
    }
}

template <class Record>
Result<std::optional<Record>> read_one(Query& query) {
    auto row = query.step();
    if (!row) return row.error();
    if (!*row) return std::optional<Record>();
    auto record = read_record<Record>(query);
    auto understood = query.ok();
    if (!understood) return understood.error();
    return std::optional<Record>(std::move(record));
}

}  // namespace belay::store
