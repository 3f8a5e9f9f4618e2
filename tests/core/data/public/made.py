"""Small archives in the layouts of public data sets, written by hand from their descriptions.

`CASES` has, for each data set, the function that opens it, the text of its files, and the rows that
the tables have to give.
"""

import functools
import gzip
import io
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from torch_rechub.data import public

CRITEO_ROW = ["1", "-2", *[""] * 11, "181"]
CRITEO_TEXT = ["68fd1e64", "80e26c9b", *[""] * 23, "NA"]
CENSUS_ROW = (
    "38, Private, 6, 36, 1st 2nd 3rd or 4th grade, 495, Not in universe, Never married, "
    "Manufacturing-durable goods, Machine operators assmblrs & inspctrs, White, "
    "Mexican (Mexicano), Female, No, Not in universe, Full-time schedules, 0, 0, 0, Single, "
    "Not in universe, Not in universe, Secondary individual, Nonrelative of householder, "
    "1032.38, ?, ?, ?, Not in universe under 1 year old, ?, 4, Not in universe, Mexico, Mexico, "
    "Mexico, Foreign born- Not a citizen of U S , 0, Not in universe, 2, 12, 95, "
)
KUAI_USER_HEADER = (
    "user_id,user_active_degree,is_lowactive_period,is_live_streamer,is_video_author,"
    "follow_user_num,follow_user_num_range,fans_user_num,fans_user_num_range,friend_user_num,"
    "friend_user_num_range,register_days,register_days_range,"
    + ",".join(f"onehot_feat{i}" for i in range(18))
    + "\n"
)
KUAI_USERS = KUAI_USER_HEADER + (
    '0,high_active,0,0,0,5,"(0,10]",0,0,0,0,107,61-90,0,1,17,638,2,0,1,6,184,6,3,0,,0,0,0,0,0\n'
)
KUAI_HEADER = "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n"
KUAIRAND_HEADER = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,"
    "is_hate,long_view,play_time_ms,duration_ms,profile_stay_time,comment_stay_time,"
    "is_profile_enter,is_rand,tab\n"
)
AVAZU_HEADER = (
    "id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,"
    "app_category,device_id,device_ip,device_model,device_type,device_conn_type,C14,C15,C16,C17,"
    "C18,C19,C20,C21\n"
)
AVAZU_ROW = (
    "1000009418151094273,0,14102100,1005,0,1fbe01fe,f3845767,28905ebd,ecad2386,7801e8d9,"
    "07d7df22,a99f214a,ddd2926e,44956a24,1,2,15706,320,50,1722,0,35,-1,79\n"
)
MOVIE_TAGS = 'userId,movieId,tag,timestamp\n3,260,"a ""classic"", really",1439472355\n'


def features(*ones: str) -> str:
    r"""A list of features of Ali-CCP, from "205 77 1.0"."""
    marked = ["\x02".join(one.split(" ", 1)).replace(" ", "\x03") for one in ones]
    return "\x01".join(marked)


@dataclass(frozen=True)
class Case:
    """A data set in small: its files by path, and rows of its tables (some of the columns)."""

    open: functools.partial
    files: dict[str, str]
    rows: dict[str, list[dict]]
    encoding: str = "utf-8"
    user_items: bool = True


def movielens_csv(name: str) -> Case:
    return Case(
        functools.partial(getattr(public, name.replace("ml-", "movielens_")), verify=False),
        {
            f"{name}/ratings.csv": "userId,movieId,rating,timestamp\n"
            "1,2,3.5,1112486027\n1,29,4.0,1112484676\n2,2,0.5,974820889\n",
            f"{name}/movies.csv": "movieId,title,genres\n2,Jumanji (1995),Adventure|Children\n"
            '29,"City, The (Cité, La) (1995)",(no genres listed)\n30,Nameless,Drama\n',
            f"{name}/tags.csv": MOVIE_TAGS,
            f"{name}/links.csv": "movieId,imdbId,tmdbId\n2,0113497,8844\n29,0112682,\n",
        },
        {
            "ratings": [
                {"user_id": 1, "item_id": 2, "rating": 3.5, "timestamp": 1112486027},
                {"user_id": 1, "item_id": 29, "rating": 4.0, "timestamp": 1112484676},
                {"user_id": 2, "item_id": 2, "rating": 0.5, "timestamp": 974820889},
            ],
            "movies": [
                {"item_id": 2, "title": "Jumanji", "genres": ("Adventure", "Children")},
                {"item_id": 29, "title": "City, The (Cité, La)", "genres": ()},
                {"item_id": 30, "title": "Nameless", "genres": ("Drama",)},
            ],
            "tags": [
                {
                    "user_id": 3,
                    "item_id": 260,
                    "tag": 'a "classic", really',
                    "timestamp": 1439472355,
                }
            ],
            "links": [
                {"item_id": 2, "imdbId": "0113497", "tmdbId": "8844"},
                {"item_id": 29, "imdbId": "0112682", "tmdbId": None},
            ],
        },
    )


def amazon_json(edition: int) -> Case:
    lines = (
        '{"reviewerID": "A2", "asin": "0000013714", "overall": 4.0, "reviewText": "Good\\n\\u2713",'
        ' "summary": "Fine", "unixReviewTime": 1386028800, "helpful": [2, 3]}\n'
        '{"reviewerID": "A3", "asin": "B00", "overall": 5, "unixReviewTime": 1386028801,'
        ' "verified": true}\n'
    )
    return Case(
        functools.partial(public.amazon_reviews, edition=edition),
        {"Beauty_5.json": lines},
        {
            "reviews": [
                {"reviewerID": "A2", "asin": "0000013714", "overall": 4.0, "verified": None,
                 "unixReviewTime": 1386028800, "summary": "Fine", "reviewText": "Good\n✓"},
                {"reviewerID": "A3", "asin": "B00", "overall": 5.0, "verified": 1.0,
                 "unixReviewTime": 1386028801, "summary": None, "reviewText": None},
            ]
        },
    )  # fmt: skip


def kuairand_log(days: str, start: str, tab: int) -> dict[str, str]:
    row = f"{start}{',0' * 12},{tab}\n"
    return {f"KuaiRand-Pure/data/log_standard_{days}_pure.csv": KUAIRAND_HEADER + row}


CASES = {
    "movielens_1m": Case(
        functools.partial(public.movielens_1m, verify=False),
        {
            "ml-1m/ratings.dat": "1::1193::5::978300760\n1::661::3::978302109\n"
            "2::661::4::978298413\n",
            "ml-1m/users.dat": "1::F::1::10::02460\n2::M::56::16::T8H1N\n",
            "ml-1m/movies.dat": "661::James: and (1996)::Animation|Musical\n"
            "1193::Misérables, Les (1995)::Drama\n",
            "ml-1m/README": "SUMMARY\n",
        },
        {
            "ratings": [
                {"user_id": 1, "item_id": 1193, "rating": 5, "timestamp": 978300760},
                {"user_id": 1, "item_id": 661, "rating": 3, "timestamp": 978302109},
                {"user_id": 2, "item_id": 661, "rating": 4, "timestamp": 978298413},
            ],
            "users": [
                {"user_id": 1, "gender": "F", "age": 1, "occupation": 10, "zip_code": "02460"},
                {"user_id": 2, "gender": "M", "age": 56, "occupation": 16, "zip_code": "T8H1N"},
            ],
            "movies": [
                {"item_id": 661, "title": "James: and", "genres": ("Animation", "Musical"),
                 "release_year": 1996},
                {"item_id": 1193, "title": "Misérables, Les", "genres": ("Drama",),
                 "release_year": 1995},
            ],
        },
        encoding="latin-1",
    ),
    "movielens_20m": movielens_csv("ml-20m"),
    "movielens_25m": movielens_csv("ml-25m"),
    "criteo": Case(
        functools.partial(public.criteo),
        {
            "dac/train.txt": "\t".join(["0", *CRITEO_ROW[:13], *CRITEO_TEXT]) + "\n"
            + "\t".join(["1", *["0"] * 13, *["05db9164"] * 26]) + "\n",
            "dac/test.txt": "\t".join([*CRITEO_ROW[:13], *CRITEO_TEXT]) + "\n",
        },
        {
            "train": [
                {"label": 0, "I1": 1.0, "I2": -2.0, "I3": None, "I13": None, "C1": "68fd1e64",
                 "C3": None, "C26": "NA"},
                {"label": 1, "I1": 0.0, "I13": 0.0, "C1": "05db9164", "C26": "05db9164"},
            ],
            "test": [{"I1": 1.0, "I2": -2.0, "C2": "80e26c9b", "C25": None, "C26": "NA"}],
        },
        user_items=False,
    ),
    "avazu": Case(
        functools.partial(public.avazu),
        {"train": AVAZU_HEADER + AVAZU_ROW + AVAZU_ROW.replace(",0,14102100", ",1,14103023")},
        {
            "train": [
                {"id": "1000009418151094273", "click": 0, "hour": 1413849600, "C1": "1005",
                 "banner_pos": "0", "app_category": "07d7df22", "C14": "15706", "C20": "-1"},
                {"id": "1000009418151094273", "click": 1, "hour": 1414710000, "C21": "79"},
            ]
        },
        user_items=False,
    ),
    "amazon 2014": amazon_json(2014),
    "amazon 2018": amazon_json(2018),
    "amazon 2014 ratings": Case(
        functools.partial(public.amazon_reviews, edition=2014),
        {"ratings_Beauty.csv": "A39H,0205616461,5.0,1369699200\nA3JM,B00,3.0,1355443200\n"},
        {
            "ratings": [
                {"reviewerID": "A39H", "asin": "0205616461", "overall": 5.0,
                 "unixReviewTime": 1369699200},
                {"reviewerID": "A3JM", "asin": "B00", "overall": 3.0,
                 "unixReviewTime": 1355443200},
            ]
        },
    ),
    "amazon 2018 ratings": Case(
        functools.partial(public.amazon_reviews, edition=2018),
        {"All_Beauty.csv": "0143026860,A1V6,1.0,1424304000\n014789302X,A2F5,4.0,1418860800\n"},
        {
            "ratings": [
                {"reviewerID": "A1V6", "asin": "0143026860", "overall": 1.0,
                 "unixReviewTime": 1424304000},
                {"reviewerID": "A2F5", "asin": "014789302X", "overall": 4.0,
                 "unixReviewTime": 1418860800},
            ]
        },
    ),
    "amazon 2023": Case(
        functools.partial(public.amazon_reviews, edition=2023),
        {
            "All_Beauty.jsonl": '{"rating": 5.0, "title": "Such a", "text": "t", "images": [], '
            '"asin": "B00YQ6X8EO", "parent_asin": "B00YQ6X8EP", "user_id": "AGKHLEW2SOWHNMFQIJGB", '
            '"timestamp": 1588687728923, "helpful_vote": 0, "verified_purchase": true}\n'
        },
        {
            "reviews": [
                {"user_id": "AGKHLEW2SOWHNMFQIJGB", "parent_asin": "B00YQ6X8EP", "rating": 5.0,
                 "timestamp": 1588687728923, "asin": "B00YQ6X8EO", "verified_purchase": 1.0,
                 "helpful_vote": 0.0, "title": "Such a", "text": "t"}
            ]
        },
    ),
    "kuairec": Case(
        functools.partial(public.kuairec),
        {
            "KuaiRec 2.0/data/big_matrix.csv": KUAI_HEADER
            + "0,3649,13838,10867,2020-07-05 00:08:23.438,20200705,1593878903.438,1.273396\n"
            "0,9598,13665,10984,2020-07-05 00:13:41.297,20200705,1593879221.297,1.25\n",
            "KuaiRec 2.0/data/small_matrix.csv": KUAI_HEADER + "14,148,4381,6067,,,,0.7221\n",
            "KuaiRec 2.0/data/user_features.csv": KUAI_USERS,
            "KuaiRec 2.0/data/item_categories.csv": 'video_id,feat\n3649,[8]\n9598,"[27, 9]"\n',
        },
        {
            "big": [
                {"user_id": 0, "video_id": 3649, "play_duration": 13838.0, "date": "20200705",
                 "timestamp": 1593878903.438, "watch_ratio": 1.273396},
                {"user_id": 0, "video_id": 9598, "watch_ratio": 1.25},
            ],
            "small": [{"user_id": 14, "video_id": 148, "time": None, "timestamp": None}],
            "users": [
                {"user_id": 0, "user_active_degree": "high_active", "follow_user_num": 5.0,
                 "follow_user_num_range": "(0,10]", "register_days": 107.0, "onehot_feat3": "638",
                 "onehot_feat12": None, "onehot_feat17": "0"}
            ],
            "categories": [{"video_id": 3649, "feat": (8,)}, {"video_id": 9598, "feat": (27, 9)}],
        },
    ),
    "kuairand": Case(
        functools.partial(public.kuairand),
        {
            **kuairand_log("4_22_to_5_08", "0,20,20220424,2000,1650801600000,1", 4),
            **kuairand_log("4_08_to_4_21", "0,10,20220411,1900,1649675512388,0", 1),
            "KuaiRand-Pure/data/log_random_4_22_to_5_08_pure.csv": KUAIRAND_HEADER
            + "1,10,20220424,900,1650762000000,0,0,0,0,0,0,0,1385,209900,0,0,0,1,1\n",
            "KuaiRand-Pure/data/user_features_pure.csv": KUAI_USERS,
            "KuaiRand-Pure/data/video_features_basic_pure.csv": "video_id,author_id,video_type,"
            "upload_dt,upload_type,visible_status,video_duration,server_width,server_height,"
            "music_id,music_type,tag\n10,123,NORMAL,2022-04-10,LongImport,0.0,87433.0,720.0,1280.0,"
            '9155697141,9.0,"39,7"\n20,456,AD,,Kmovie,1,,720,1280,6355810746,9.0,\n',
        },
        {
            "standard": [  # the file of the earlier days comes first
                {"user_id": 0, "video_id": 10, "date": "20220411", "hourmin": "1900",
                 "time_ms": 1649675512388, "is_click": 0, "tab": "1"},
                {"user_id": 0, "video_id": 20, "is_click": 1, "tab": "4"},
            ],
            "random": [{"user_id": 1, "video_id": 10, "duration_ms": 209900, "is_rand": 1}],
            "users": [{"user_id": 0, "register_days_range": "61-90"}],
            "videos": [
                {"video_id": 10, "author_id": "123", "video_duration": 87433.0, "tag": ("39", "7")},
                {"video_id": 20, "upload_dt": None, "video_duration": None, "tag": ()},
            ],
        },
    ),
    "taobao": Case(
        functools.partial(public.taobao),
        {"UserBehavior.csv": "1,2268318,2520377,pv,1511544070\n1,2333346,2520771,fav,1511561733\n"},
        {
            "behaviors": [
                {"user_id": 1, "item_id": 2268318, "category_id": 2520377, "behavior": "pv",
                 "timestamp": 1511544070},
                {"user_id": 1, "item_id": 2333346, "category_id": 2520771, "behavior": "fav",
                 "timestamp": 1511561733},
            ]
        },
    ),
    "ali_ccp": Case(
        functools.partial(public.ali_ccp),
        {
            "sample_skeleton_train.csv": "1,0,0,bacff91692951881,4,"
            + features("205 4356 1.0", "206 8 1.0", "210 91 1.0", "210 92 1.0")
            + "\n2,1,1,bacff91692951881,1," + features("301 9351665 1.0") + "\n",
            "common_features_train.csv": "bacff91692951881,4,"
            + features("101 31319 1.0", "109_14 451 1.3862943", "109_14 452 2.5", "125 3438780 1.0")
            + "\n",
        },
        {
            "train": [
                {"sample_id": 1, "click": 0, "conversion": 0, "item_id": 4356, "category_id": 8,
                 "shop_id": None, "scene": None, "intentions": (91, 92), "brand_matches": ()},
                {"sample_id": 2, "click": 1, "conversion": 1, "item_id": None, "scene": 9351665,
                 "intentions": ()},
            ],
            "train_users": [
                {"common_feature_index": "bacff91692951881", "user_id": 31319, "age": 3438780,
                 "gender": None, "seen_categories": (451, 452), "seen_shops": ()}
            ],
        },
        user_items=False,
    ),
    "census_income": Case(
        functools.partial(public.census_income),
        {
            "census-income.data": f"{CENSUS_ROW}- 50000.\n{CENSUS_ROW}50000+.\n",
            "census-income.test": f"{CENSUS_ROW}- 50000.\n",
        },
        {
            "train": [
                {"age": 38.0, "class_of_worker": "Private", "industry_code": "6",
                 "wage_per_hour": 495.0, "marital_status": "Never married",
                 "instance_weight": 1032.38, "migration_msa": None, "migration_sunbelt": None,
                 "employees": 4.0, "birth_country": "Mexico", "weeks_worked": 12.0, "year": "95",
                 "income": 0},
                {"age": 38.0, "income": 1},
            ],
            "test": [{"union_member": "No", "income": 0}],
        },
        user_items=False,
    ),
    "steam": Case(
        functools.partial(public.steam),
        {
            "steam_reviews.json": "{u'username': u'Al', u'hours': 12.5, u'product_id': u'328100', "
            "u'page_order': 0, u'date': u'2018-01-05', u'text': u'It\\'s \\u2713 \"it\"', "
            "u'early_access': False, u'page': 1}\n"
            "{u'username': u'Bo', u'product_id': u'328100', u'date': u'2017-12-31', "
            "u'early_access': True, u'found_funny': 2, u'user_id': u'76561198', u'text': u''}\n",
            "steam_games.json": "{u'id': u'328100', u'app_name': u'Ninja', u'genres': [u'Action', "
            "u'Indie'], u'price': 4.99, u'early_access': False, u'developer': u'Dev'}\n",
        },
        {
            "reviews": [
                {"username": "Al", "product_id": "328100", "date": 1515110400, "hours": 12.5,
                 "early_access": 0.0, "text": "It's ✓ \"it\"", "found_funny": None},
                {"username": "Bo", "date": 1514678400, "hours": None, "found_funny": 2.0,
                 "user_id": "76561198", "early_access": 1.0},
            ],
            "games": [
                {"product_id": "328100", "app_name": "Ninja", "genres": ("Action", "Indie"),
                 "tags": (), "price": "4.99", "developer": "Dev", "publisher": None}
            ],
        },
    ),
    "yelp": Case(
        functools.partial(public.yelp),
        {
            "yelp_academic_dataset_review.json": '{"review_id": "r1", "user_id": "u1", '
            '"business_id": "b1", "stars": 3.0, "useful": 1, "funny": 0, "cool": 2, '
            '"text": "If you\\n", "date": "2018-07-07 22:09:11"}\n',
            "yelp_academic_dataset_user.json": '{"user_id": "u1", "name": "Jo", "review_count": 7, '
            '"yelping_since": "2007-01-25 16:47:26", "fans": 3, "average_stars": 3.91}\n',
            "yelp_academic_dataset_business.json": '{"business_id": "b1", "name": "Café", '
            '"city": "Tucson", "state": "AZ", "postal_code": "85711", "latitude": 32.22, '
            '"longitude": -110.88, "stars": 4.5, "review_count": 22, "is_open": 0, '
            '"categories": "Doctors, Health & Medical"}\n'
            '{"business_id": "b2", "name": "B", "city": "T", "state": "AZ", "postal_code": "", '
            '"latitude": 1.0, "longitude": 2.0, "stars": 4, "review_count": 1, "is_open": 1, '
            '"categories": null}\n',
        },
        {
            "reviews": [
                {"review_id": "r1", "user_id": "u1", "business_id": "b1", "stars": 3.0,
                 "date": 1531001351, "useful": 1, "funny": 0, "cool": 2, "text": "If you\n"}
            ],
            "users": [{"user_id": "u1", "user_name": "Jo", "user_since": 1169743646,
                       "user_fans": 3.0, "user_stars": 3.91}],
            "businesses": [
                {"business_id": "b1", "business_name": "Café", "business_stars": 4.5,
                 "categories": ("Doctors", "Health & Medical"), "postal_code": "85711"},
                {"business_id": "b2", "categories": (), "is_open": 1.0},
            ],
        },
    ),
    "gowalla": Case(
        functools.partial(public.gowalla),
        {
            "loc-gowalla_totalCheckins.txt": "0\t2010-10-19T23:55:27Z\t30.2359\t-97.795\t22847\n"
            "0\t2010-10-18T22:17:43Z\t30.2691\t-97.749\t420315\n",
            "loc-gowalla_edges.txt": "0\t1\n1\t0\n",
        },
        {
            "checkins": [
                {"user_id": 0, "time": 1287532527, "latitude": 30.2359, "longitude": -97.795,
                 "location_id": 22847},
                {"user_id": 0, "time": 1287440263, "location_id": 420315},
            ],
            "friends": [{"user_id": 0, "friend_id": 1}, {"user_id": 1, "friend_id": 0}],
        },
    ),
}  # fmt: skip


def write(case: Case, folder: Path, kind: str = "folder") -> Path:
    """Write a case as a folder, with or without compressed files, or as an archive; its path."""
    files = {name: text.encode(case.encoding) for name, text in case.files.items()}
    if kind in ("folder", "gz"):
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "gz":
                path.with_name(path.name + ".gz").write_bytes(gzip.compress(data, mtime=0))
            else:
                path.write_bytes(data)
        return folder
    path = folder / f"archive.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
                archive.writestr(f"__MACOSX/{name}", "of a Macintosh")
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return path
