"""Damaged, foreign and hostile files: an error names the file, the line, the layout, the remedy."""

import gzip
import io
import tarfile
import zipfile

import pandas as pd
import pytest

from core.data.public.made import CASES, KUAI_HEADER, MOVIE_TAGS, features, write
from torch_rechub.data import public
from torch_rechub.data.public import PublicDataError, lines, members

GOOD = "1,2268318,2520377,pv,1511544070\n"


def taobao(tmp_path, text):
    file = tmp_path / "UserBehavior.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return public.taobao(file)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (GOOD + "1,2,3,pv\n", 2, "has 4 cells, expected 5"),
        (GOOD + "1,2,3,pv,4,5\n" + "1,2,3,pv\n", 2, "has 6 cells, expected 5"),
        (GOOD + "1,,3,pv,4\n", 2, "column 'item_id' has '', expected a whole number"),
        (GOOD * 3 + "1,2.5,3,pv,4\n", 4, "column 'item_id' has '2.5', expected a whole number"),
        (GOOD + f"1,2,3,pv,{2**63}\n", 2, f"column 'timestamp' has '{2**63}', expected a whole"),
        (GOOD + "\n" + GOOD, 2, "has 0 cells, expected 5"),
        (GOOD.encode() + b"1,2,3,\xff,4\n", 2, "is not utf-8 text"),
        (GOOD + "1,2,3,\0,4\n", 2, "has a NUL byte"),
        ("<html>please log in</html>\n", 1, "has 1 cells, expected 5"),
    ],
    ids=["short", "two", "empty", "fraction", "large", "blank", "encoding", "nul", "html"],
)
def test_a_line_that_does_not_fit_is_named(tmp_path, text, line, reason):
    data = taobao(tmp_path, text)
    with pytest.raises(PublicDataError) as caught:
        data.read()
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'UserBehavior.csv'}, line {line}: {reason}")
    assert "Expected UserBehavior.csv: lines of user_id, item_id, category_id, behavior" in message
    assert message.endswith("Download the file again, or correct the line.")


def test_the_line_is_counted_over_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", 100)
    data = taobao(tmp_path, GOOD * 20 + "1,2,3\n" + GOOD)
    with pytest.raises(PublicDataError, match="line 21: has 3 cells"):
        data.read()


@pytest.mark.parametrize(
    "text",
    [
        GOOD.encode("utf-8-sig"),
        GOOD.replace("\n", "\r\n"),
        GOOD[:-1],
        GOOD + "\n\n",
    ],
    ids=["byte order mark", "carriage returns", "no last end of line", "blank end"],
)
def test_harmless_differences_are_read(tmp_path, text):
    row = taobao(tmp_path, text).read().iloc[0].tolist()
    assert row == [1, 2268318, 2520377, "pv", 1511544070]


@pytest.mark.parametrize("size", [40, 64, 100, 1000])
def test_blocks_of_any_size_give_the_same_rows(tmp_path, monkeypatch, size):
    text = "".join(f"{i},{i + 1},{i + 2},pv,{i + 3}\n" for i in range(95, 130))
    whole = pd.DataFrame([[i, i + 1, i + 2, "pv", i + 3] for i in range(95, 130)])
    monkeypatch.setattr(lines, "BLOCK", size)
    blocks = list(taobao(tmp_path, text).blocks(rows=4))
    assert max(map(len, blocks)) <= 4
    assert pd.concat(blocks).to_numpy().tolist() == whole.to_numpy().tolist()


@pytest.mark.parametrize("size", [64, 100, 1000])
def test_a_quoted_end_of_line_stays_in_its_cell(tmp_path, monkeypatch, size):
    tags = ['on\n"two", lines', "plain", "a\nb\nc"] * 5
    quoted = [tag.replace('"', '""') for tag in tags]
    text = MOVIE_TAGS.split("\n")[0] + "\n" + "".join(f'1,2,"{tag}",3\n' for tag in quoted)
    (tmp_path / "tags.csv").write_text(text)
    monkeypatch.setattr(lines, "BLOCK", size)
    assert public.movielens_25m(tmp_path).read("tags").tag.tolist() == tags


def test_a_quote_that_is_not_closed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", 30)
    monkeypatch.setattr(lines, "LONGEST", 100)
    (tmp_path / "tags.csv").write_text(MOVIE_TAGS + '1,2,"never,3\n' + "1,2,tag,3\n" * 30)
    with pytest.raises(PublicDataError, match="line 3: is longer than 100 bytes, or a quote is"):
        public.movielens_25m(tmp_path).read("tags")


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(PublicDataError, match=r"UserBehavior\.csv has no rows\. Expected User"):
        taobao(tmp_path, "").read()


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("userId,movieId,rating\n", "the header 'userId,movieId,rating' lacks timestamp"),
        ("1,2,3,4\n", "lacks userId, movieId, rating, timestamp"),
        ("userId,userId,movieId,rating,timestamp\n", "has a name twice"),
    ],
    ids=["lacks one", "none", "twice"],
)
def test_another_header_is_refused(tmp_path, header, reason):
    (tmp_path / "ratings.csv").write_text(header + "1,2,3,4\n")
    with pytest.raises(PublicDataError, match=rf"ratings\.csv, line 1: .*{reason}.*with a header"):
        public.movielens_20m(tmp_path).read()


def test_a_header_in_another_order_is_read_and_a_column_more_is_reported(tmp_path, caplog):
    (tmp_path / "ratings.csv").write_text("rating,userId,new,movieId,timestamp\n4.5,1,x,2,3\n")
    frame = public.movielens_20m(tmp_path).read()
    assert frame.to_dict("records") == [{"user_id": 1, "item_id": 2, "rating": 4.5, "timestamp": 3}]
    assert "columns that the layout does not have: new" in caplog.text


# Values of other types


def test_a_time_of_another_form_is_named(tmp_path):
    case = CASES["gowalla"]
    folder = write(case, tmp_path)
    file = folder / "loc-gowalla_totalCheckins.txt"
    file.write_text(file.read_text().replace("2010-10-18T", "18.10.2010 "))
    with pytest.raises(PublicDataError, match=r"line 2: column 'time' has '18\.10\.2010 22"):
        public.gowalla(folder).read()


def test_another_label_of_the_census_is_named(tmp_path):
    file = write(CASES["census_income"], tmp_path) / "census-income.data"
    file.write_text(file.read_text().replace("50000+.", "rich"))
    with pytest.raises(PublicDataError, match="line 2: column 'income' has 'rich', expected '- 50"):
        public.census_income(tmp_path).read()


@pytest.mark.parametrize("cell", ["8", "[8", "(8,)", "[" * 9])
def test_a_list_that_is_none_is_named(tmp_path, cell):
    (tmp_path / "item_categories.csv").write_text(f'video_id,feat\n1,[1]\n2,"{cell}"\n')
    with pytest.raises(PublicDataError, match="expected a list such as"):
        public.kuairec(tmp_path).read("categories")


def test_a_row_without_a_time_is_read_as_missing(tmp_path):
    (tmp_path / "small_matrix.csv").write_text(KUAI_HEADER + "14,148,4381,6067,,,,\n")
    assert (
        public.kuairec(tmp_path).read("small")[["timestamp", "watch_ratio"]].isna().all(axis=None)
    )


@pytest.mark.parametrize(
    ("skeleton", "reason"),
    [
        ("1,0,0,b,2," + features("205 1 1.0"), "feature_num is 2, but feature_list has 1"),
        ("1,0,0,b,1," + features("205 x 1.0"), r"feature_list has .*, expected field, id and"),
        ("1,0,0,b,1," + features("999 1 1.0"), "field '999' is not one of the data set's"),
        ("1,0,0,b,2," + features("205 1 1.0", "205 2 1.0"), "field 205 has 2 features"),
    ],
    ids=["number", "form", "field", "twice"],
)
def test_a_list_of_features_that_does_not_fit_is_named(tmp_path, skeleton, reason):
    good = "1,0,0,b,1," + features("205 1 1.0")
    (tmp_path / "sample_skeleton_train.csv").write_text(f"{good}\n{skeleton}\n")
    with pytest.raises(PublicDataError, match=rf"line 2: {reason}"):
        public.ali_ccp(tmp_path).read()


REVIEW = '{"reviewerID": "A", "asin": "B", "overall": 5.0, "unixReviewTime": 1}\n'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (REVIEW[:30] + "\n", "is not a JSON object"),
        ("[1, 2]\n", "is a list, expected an object"),
        (REVIEW.replace("asin", "item"), "has no key 'asin', only reviewerID, item"),
        (REVIEW.replace("5.0", '"5"'), "key 'overall' has '5', expected a number"),
        (REVIEW.replace("1}", "1.5}"), "key 'unixReviewTime' has 1.5, expected a whole number"),
        (REVIEW.replace("1}", "1e30}"), "key 'unixReviewTime' has 1e"),
        (REVIEW.replace("1}", "null}"), "key 'unixReviewTime' has None"),
        (REVIEW.replace('"B"', '["B"]'), r"key 'asin' has \['B'\], expected text"),
        ("[" * 100_000 + "\n", "is not a JSON object"),
    ],
    ids=["cut", "list", "key", "text", "fraction", "large", "null", "list of text", "nested"],
)
def test_a_json_line_that_does_not_fit_is_named(tmp_path, line, reason):
    (tmp_path / "Beauty_5.json").write_text(REVIEW + line)
    with pytest.raises(PublicDataError, match=rf"line 2: {reason}"):
        public.amazon_reviews(tmp_path).read()


@pytest.mark.parametrize(
    "line",
    ["__import__('os').remove('victim')", "{u'username': open('victim').read()}", "(" * 5000, "{"],
)
def test_a_literal_is_never_run(tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "victim").write_text("kept")
    (tmp_path / "steam_reviews.json").write_text(line + "\n")
    with pytest.raises(PublicDataError, match="line 1: is not a Python dict"):
        public.steam(tmp_path).read()
    assert (tmp_path / "victim").read_text() == "kept"


# Archives


def test_a_foreign_archive_is_refused_with_the_expected_files(tmp_path):
    path = write(CASES["taobao"], tmp_path, "zip")
    with pytest.raises(PublicDataError) as caught:
        public.gowalla(path)
    message = str(caught.value)
    assert f"{path} has no file of Gowalla: it has UserBehavior.csv." in message
    assert "loc-gowalla_totalCheckins.txt" in message
    assert "https://snap.stanford.edu/data/loc-Gowalla.html" in message


def test_a_path_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"dac\.tar\.gz"):
        public.criteo(tmp_path / "dac.tar.gz")
    with pytest.raises(FileNotFoundError, match=r"train\.txt"):
        public.criteo(tmp_path / "train.txt")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_cut_archive_is_refused(tmp_path, kind):
    path = write(CASES["taobao"], tmp_path, kind)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(PublicDataError, match=r"is damaged or cut short .* Download it again"):
        public.taobao(path).read()


def test_a_changed_byte_in_a_zip_is_found(tmp_path):
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:  # stored, so that the text stands in the file
        archive.writestr("UserBehavior.csv", GOOD)
    path.write_bytes(path.read_bytes().replace(b",pv,", b",qv,", 1))
    with pytest.raises(PublicDataError, match=r"archive\.zip: UserBehavior\.csv is damaged"):
        public.taobao(path).read()


def test_a_cut_gz_file_is_refused_after_the_rows_before_the_cut(tmp_path):
    whole = gzip.compress(GOOD.encode() * 1000, mtime=0)
    (tmp_path / "UserBehavior.csv.gz").write_bytes(whole[:-8])
    with pytest.raises(PublicDataError, match=r"UserBehavior\.csv\.gz is damaged or cut short"):
        public.taobao(tmp_path).read()


@pytest.mark.parametrize("kind", ["zip", "gz"])
def test_an_archive_that_expands_too_far_is_stopped(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(members, "_ALLOWANCE", 1000)
    text = GOOD.encode() * 100_000
    if kind == "zip":
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("UserBehavior.csv", text)
    else:
        path = tmp_path / "UserBehavior.csv.gz"
        path.write_bytes(gzip.compress(text, mtime=0))
    with pytest.raises(PublicDataError, match="over 200 times its compressed size"):
        public.taobao(path).read()


def test_members_whose_path_leaves_the_archive_are_read_but_never_written(tmp_path):
    folder = tmp_path / "within" / "deep"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("../../UserBehavior.csv", GOOD)
    with tarfile.open(folder / "a.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("/../UserBehavior.csv")
        info.size = len(GOOD)
        archive.addfile(info, io.BytesIO(GOOD.encode()))
    before = sorted(tmp_path.rglob("*"))
    for name in ("a.zip", "a.tar.gz"):
        assert public.taobao(folder / name).read().item_id.tolist() == [2268318]
    assert sorted(tmp_path.rglob("*")) == before


def test_links_of_a_tar_archive_are_not_followed(tmp_path):
    (tmp_path / "secret").write_text(GOOD)
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("UserBehavior.csv")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        archive.addfile(link)
    with pytest.raises(PublicDataError, match="no file of Taobao UserBehavior: it has no files"):
        public.taobao(path)


def test_two_files_of_one_table_are_refused_by_name(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "UserBehavior.csv").write_text(GOOD)
    with pytest.raises(PublicDataError, match=r"has 2 files .*/one/UserB.*Give the path of one"):
        public.taobao(tmp_path)


def test_the_checksum_of_an_archive_is_compared_unless_switched_off(tmp_path):
    path = write(CASES["movielens_1m"], tmp_path, "zip").rename(tmp_path / "ml-1m.zip")
    with pytest.raises(PublicDataError, match="expected c4d9eecfca2ab87c1945afe126590906 of Movie"):
        public.movielens_1m(path)
    assert len(public.movielens_1m(path, verify=False).read()) == 3


def test_a_table_that_was_not_found_or_is_unknown_is_named(tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,3,4\n")
    data = public.movielens_20m(tmp_path)
    with pytest.raises(PublicDataError, match=r"'movies' of MovieLens 20M was not found, only 'ra"):
        data.blocks("movies")
    with pytest.raises(ValueError, match="has no table 'actors', only 'ratings', 'movies'"):
        data.read("actors")


@pytest.mark.parametrize("rows", [0, 1.5])
def test_a_number_of_rows_below_one_is_refused(tmp_path, rows):
    with pytest.raises(ValueError, match="rows must be"):
        taobao(tmp_path, GOOD).blocks(rows=rows)


@pytest.mark.parametrize(("edition", "other"), [(2014, 2018), (2018, 2014)])
def test_ratings_of_the_other_edition_are_refused(tmp_path, edition, other):
    pair = ("A1V6B6TNIC10QE", "0143026860")
    user, item = pair if edition == 2014 else pair[::-1]
    (tmp_path / "Beauty.csv").write_text(f"{user},{item},1.0,1424304000\n")
    frame = public.amazon_reviews(tmp_path, edition).read("ratings")
    assert frame[["reviewerID", "asin"]].to_numpy().tolist() == [list(pair)]
    with pytest.raises(PublicDataError, match="an item and a user: choose the other edition"):
        public.amazon_reviews(tmp_path, other).read("ratings")


def test_an_error_of_the_reader_of_blocks_is_not_taken_for_damage(tmp_path):
    blocks = taobao(tmp_path, GOOD * 2).blocks(rows=1)
    assert len(next(blocks)) == 1
    with pytest.raises(RuntimeError, match="of the loop"):
        blocks.throw(RuntimeError("of the loop"))


@pytest.mark.parametrize("cells", [39, 41], ids=["short", "long"])
def test_a_line_of_text_cells_is_neither_filled_nor_cut(tmp_path, cells):
    good = "\t".join(["0"] * 40)
    (tmp_path / "train.txt").write_text(good + "\n" + "\t".join(["1"] * cells) + "\n")
    with pytest.raises(PublicDataError, match=f"line 2: has {cells} cells, expected 40"):
        public.criteo(tmp_path).read()


def test_carriage_returns_do_not_get_into_the_last_cell(tmp_path):
    (tmp_path / "train.txt").write_bytes("\t".join(["0"] * 39 + ["a\r\n"]).encode() * 2)
    assert public.criteo(tmp_path).read().C26.tolist() == ["a", "a"]


def test_a_byte_order_mark_does_not_get_into_the_header(tmp_path):
    text = "userId,movieId,rating,timestamp\n1,2,4.5,3\n"
    (tmp_path / "ratings.csv").write_bytes(text.encode("utf-8-sig"))
    assert public.movielens_20m(tmp_path).read().user_id.tolist() == [1]
