"""Names and texts that hold a secret, and others that only look so; `S` stands for the secret.

No text here is, or looks to a scanner like, a secret of anyone: they are put together when used.
"""

import base64

S = "Fak3" + "v4lueNo7h1ng"
LONG = S.replace("v", "A") * 3  # letters and digits, as most tokens are


def _words(text: str) -> list[str]:
    return text.split()


PASSWORDS = (S, f"a/{S}", f"a@{S}", f"{S}@b", f"a:{S}", f"{S}%40", f"a#{S}", f"a/@:{S}/#", f"?{S}")

SECRET_NAMES = _words(
    """
    password PASSWORD passwd pwd pass passphrase passcode pw Password1 PASSWORD_2 password.value
    db_password db-password dbPassword dbpassword DB_PASS db_pw mysql_pwd smtp_pass smtppass
    user_pass userpass root_pass proxy-pass ftp_pass mail_pass redisPass sudo_pass PGPASSWORD
    MYSQL_ROOT_PASSWORD keystorePassword ssl.key.password old_password new_password passwords
    password_for_db password_hash bind_password secret SECRET secrets client_secret clientSecret
    clientsecret client.secret CLIENT-SECRET app_secret appsecret secret_value secret_key
    secretKey secretkey SECRET_KEY_BASE secret_id aws_secret_access_key aws_access_key_id
    aws_session_token webhook_secret jwt_secret consumer_secret shared_secret secret_str
    totp_secret my_secret api_key apiKey APIKey API_KEY api-key apikey api_keys apikeys ApiKeys
    x-api-key x_api_key wandb_api_key SWANLAB_API_KEY OPENAI_API_KEY openai_key OpenAIKey
    anthropic_key access_key accessKey accesskey private_key privateKey privatekey signing_key
    signingKey encryption_key ssh_key sshkey gpg_key rsa_key tls_key account_key AccountKey
    storage_key master_key license_key deploy_key service_account_key fernet_key hmac_key
    aes_key app_key session_key consumer_key subscription_key Ocp-Apim-Subscription-Key
    SharedAccessKey stripe_key token TOKEN hf_token HFToken hftoken HF_TOKEN_2 huggingface_token
    hub_token gh_token GITHUB_TOKEN githubToken github_pat GITLAB_PAT access_token accessToken
    accesstoken access_tokens auth_token authToken authtoken use_auth_token refresh_token
    refreshToken refreshtoken id_token idToken api_token apitoken bearer_token session_token
    csrf_token personal_access_token bot_token slack_token telegram_token user_token oauth_token
    oauth2_token security_token service_token deploy_token ci_token push_to_hub_token npm_token
    pypi_token jwt_token secret_token sas_token private_token token_value auth_tokens
    login_token auth basic_auth http_auth proxy_auth authorization Authorization
    proxy_authorization bearer cookie cookies session_cookie Set-Cookie jwt webhook
    slack_webhook SLACK_WEBHOOK credential credentials credentials_json AZURE_CREDENTIALS
    aws_credentials creds db_creds pin user_pin pin_code otp totp 密码 数据库密码 访问令牌 密钥
    passwort APIkey HFtoken SSHkey GHtoken DBpass APItokens WANDBkey passWord PassWord dbPassWord
    pass_word passCode pass_phrase passkey pword pincode
    """
)

HARMLESS_NAMES = _words(
    """
    num_tokens n_tokens n_token numTokens max_tokens max_token_length maxTokenLength
    max_new_tokens min_new_tokens max_seq_tokens token_dim tokenDim token_size token_count
    token_counts token_ids token_id token_type token_type_ids token_type_vocab_size
    token_embedding token_embeddings token_length token_len token_limit token_dropout
    token_mixing token_position token_mask token_weight token_weights token_level token_classes
    token_index token_vocab_size cls_token use_cls_token cls_token_id eos_token eos_token_id
    bos_token pad_token pad_token_id sep_token mask_token mask_token_id unk_token special_token
    special_tokens additional_special_tokens start_token end_token stop_token stop_tokens
    image_token image_tokens text_token audio_token patch_token class_token query_token
    item_token item_tokens word_token subword_token register_tokens next_token last_token
    first_token prompt_tokens completion_tokens input_tokens output_tokens total_tokens
    avg_tokens tokens_num cost_per_token sink_tokens memory_tokens semantic_tokens visual_tokens
    latent_tokens vocab_tokens decoder_start_token_id forced_bos_token_id tokenizer
    tokenizer_name tokenizer_path tokenize tokenized tokenization pretokenized Tokenizer
    TOKENIZERS_PARALLELISM detokenize key_dim keyDim key_size key_len key_count key_length
    key_index key_type key_names key_mask key_padding_mask key_weight key_embedding num_keys
    n_keys max_keys primary_key primaryKey PRIMARY_KEY foreign_key foreign_keys sort_key
    sort_keys partition_key group_key index_key public_key cache_key hash_key join_key row_key
    column_key dict_key lookup_key query_key value_key attention_key user_index_key item_key
    feature_key unique_key composite_key metric_key state_key s3_key object_key time_key
    natural_key surrogate_key map_key shard_key keyboard keyword keywords keypoint keypoints
    keyframe keystroke keynote monkey turkey donkey hockey whiskey jockey turnkey keyed n_pass
    num_pass n_passes num_passes forward_pass backward_pass first_pass second_pass single_pass
    one_pass two_pass multi_pass low_pass high_pass band_pass all_pass pass_through passthrough
    pass_rate pass_at_k pass_k bypass by_pass bypass_norm compass trespass surpass encompass
    passenger passengers passage passages passive passion passport_country secretary secretaries
    secretion author authors author_id authority authored coauthor authentic pin_memory
    pin_memory_device pinned spin spinning pinterest opinion pineapple shopping_cart path
    pattern patience patch_size compatible spatial patient bearing forbearance cooking credit
    credits accredited hooked hooks_count learning_rate embedding_dim n_epoch weight_decay
    dropout optimizer scheduler device seed batch_size hidden_units activation model trainer
    APIkeyboard TOKENdim numTOKENS pass_word_count passkeeper NNtokenizer first_pass_word
    name id user username user_id item_id login host port url database dataset columns label
    labels target monitor notes description
    """
)

# The secret must go; what is given with it must stay.
SECRET_TEXTS = [
    *((f"postgres://me:{word}@host/db", ("postgres://", "@host/db")) for word in PASSWORDS),
    *((f"https://me:{word}@host:8080/x", ("https://", "@host:8080/x")) for word in PASSWORDS),
    *((f"at redis://:{word}@host/0 now", ("at redis://", "@host/0 now")) for word in PASSWORDS),
    *((f"me:{word}@host:3306/db", ("me:", "@host:3306/db")) for word in PASSWORDS),
    (f"https://{S}@host/x.git", ("https://", "@host/x.git")),
    (f"clone https://oauth2:{S}@host/x.git", ("clone https://", "@host/x.git")),
    (f"https://{S}:x-oauth-basic@host", ("https://", "@host")),
    (f"https://a:{S}@h1/x,https://b:{S}@h2/y", ("@h1/x", "@h2/y")),
    (f"git+https://me:{S}@host/r@main", ("git+https://",)),
    (f"mongodb+srv://me:{S}@a.b,c.d/db?x=1", ("mongodb+srv://", "c.d/db?x=1")),
    (f"https://h/login?next=https://me:{S}@h2/", ("https://h/login?next=https://", "@h2/")),
    (f"me@example.org:{S}@host:22/", ("@host:22/",)),
    (f"dsn=me:{S}@host/db", ("dsn=me:", "@host/db")),
    (f"me:{S}@tcp(host:3306)/db", ("me:", "@tcp(host:3306)/db")),
    (f"https://h/x?token={S}&page=2", ("https://h/x?token=", "&page=2")),
    (f"https://h/x?page=2&access_token={S}", ("https://h/x?page=2&access_token=",)),
    (f"https://h/x?api_key={S}#top", ("https://h/x?api_key=",)),
    (f"https://h/x?X-Amz-Signature={S}&a=1", ("https://h/x?X-Amz-Signature=", "&a=1")),
    (f"https://h/x?sv=1&sig={S}&se=2", ("?sv=1&sig=", "&se=2")),
    (f"jdbc:postgresql://h/db?user=u&password={S}", ("jdbc:postgresql://h/db?user=u&password=",)),
    (f"jdbc:sqlserver://h:1;user=u;password={S};encrypt=true", (";user=u;", ";encrypt=true")),
    (f"jdbc:oracle:thin:me/{S}@h:1521/x", ("@h:1521/x",)),
    (f"host=h user=u password={S} port=1", ("host=h user=u password=", " port=1")),
    (f"host=h password='a {S}' port=1", ("host=h password='", "' port=1")),
    (f"Driver=x;Server=h;Uid=u;Pwd={S};Port=1", ("Driver=x;Server=h;Uid=u;Pwd=", ";Port=1")),
    (f"Server=h;Pwd={{a;{S}}};Port=1", ("Server=h;Pwd=", ";Port=1")),
    (f"Server=h;Password=a;b{S}", ("Server=h;Password=",)),
    (f"AccountName=a;AccountKey={S}==;EndpointSuffix=c", ("AccountName=a;AccountKey=", "Suffix=c")),
    (f"Endpoint=sb://h/;SharedAccessKey={S}=", ("Endpoint=sb://h/;SharedAccessKey=",)),
    (f"curl -H 'Authorization: Bearer {S}' h", ("curl -H 'Authorization: Bearer ", "' h")),
    (f"Authorization: Token {S}", ("Authorization: Token ",)),
    (f"authorization: {S}", ("authorization: ",)),
    (f"got Bearer {S} back", ("got Bearer ", " back")),
    (f"X-Api-Key: {S}", ("X-Api-Key: ",)),
    (f'Authorization: Digest username="u", response="{S}"', ()),
    (f"Cookie: session={S}; theme=dark", ("Cookie: ",)),
    (f"curl -u me:{S} https://h", ("curl -u me:", " https://h")),
    (f"curl --user me:{S} https://h", ("curl --user me:", " https://h")),
    (f"fit.py --api-key {S} --lr 0.1", ("fit.py --api-key ", " --lr 0.1")),
    (f"fit.py --password={S} --lr 0.1", ("fit.py --password=", " --lr 0.1")),
    (f"fit.py --hf_token '{S}' x", ("fit.py --hf_token '", "' x")),
    (f"['fit.py', '--api-key', '{S}', 'x']", ("['fit.py', '--api-key', '", "', 'x']")),
    (f"export HF_TOKEN={S}", ("export HF_TOKEN=",)),
    (f"os.environ['DB_PASS'] = '{S}'", ("os.environ['DB_PASS'] = '",)),
    (f'{{"api_key": "{S}", "lr": 1}}', ('{"api_key": "', '", "lr": 1}')),
    (f'{{"a": "{{\\"api_key\\": \\"{S}\\"}}"}}', ("api_key",)),
    (f'{{"passwords": {{"db": "{S}"}}, "lr": 1}}', ('"lr": 1}',)),
    (f"{{'password': 'a\\'{S}', 'lr': 1}}", ("{'password': '", "', 'lr': 1}")),
    (f"Namespace(password='{S}', lr=1)", ("Namespace(password='", "', lr=1)")),
    (f"Conf(api_key=SecretStr('{S}'), lr=1)", ("Conf(api_key=", "'), lr=1)")),
    (f'password="""{S}"""', ("password=",)),
    (f"password: {S}\nlr: 1", ("password: ", "\nlr: 1")),
    (f"API key: {S}, model: x", ("API key: ", ", model: x")),
    (f"password is: {S} now", ("password is: ", " now")),
    (f"token is : {S}", ("token is : ",)),
    (f"密码：{S}，学习率：0.1", ("密码：", "，学习率：0.1")),
    (f"password：{S}", ("password：",)),
    (f"wandb login --relogin {LONG} x", ("wandb login --relogin ", " x")),
    (f"swanlab login -k {LONG}", ("swanlab login -k ",)),
    (f"APIkey={S}", ("APIkey=",)),
    (f"the access token is {S} today", ("the access token is ", " today")),
    (f"machine host login me password {S}", ("machine host login me password ",)),
    (f"ENV SECRET_KEY {S} x", ("ENV SECRET_KEY ", " x")),
    (f"my api key ({S}) works", ("my api key (", ") works")),
    (f"next=password%3D{S}", ("next=password%3D",)),
    (f"https://me:12/{S}@host.org", ("https://", "@host.org")),
    (f"sshpass -p {S} ssh host", ("sshpass -p ", " ssh host")),
    (f"mysql -h host -p{S} db", ("mysql -h host -p", " db")),
    (f"docker login -u me -p {S} host", ("docker login -u me -p ", " host")),
    (f"redis-cli -p 6379 -a {S}", ("redis-cli -p 6379 -a ",)),
    (f"<user>u</user><password>{S}</password>", ("<user>u</user><password>", "</password>")),
    (f'<db user="u" password="{S}"/>', ('<db user="u" password="', '"/>')),
    (f"密码={S}", ("密码=",)),
    (f"ValueError: cannot log in with token={S}", ("ValueError: cannot log in with token=",)),
    (f"-----BEGIN RSA PRIVATE KEY-----\n{S}\n-----END RSA PRIVATE KEY----- x", (" x",)),
    (f"a -----BEGIN OPENSSH PRIVATE KEY-----\\n{S}", ("a ",)),
    (f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n{S}", ()),
    (f"x {'ey'}JhbGciOiJI{LONG}.{LONG}.{LONG} y", ("x ", " y")),
    *(
        (f"push to https://{host}{LONG}/{LONG}", ("push to https://",))
        for host in (
            "hooks.slack" + ".com/services/",
            "discord" + ".com/api/webhooks/",
            "api.telegram" + ".org/bot",
            "open.feishu" + ".cn/open-apis/bot/v2/hook/",
        )
    ),
    *(
        (f"use {prefix + end}{LONG} here", ("use ", " here"))
        for prefix, ends in {
            "g": ["hp_", "ho_", "hu_", "hs_", "hr_", "ithub_pat_", "lpat-", "ldt-", "sk_"],
            "s": ["k-", "k-ant-api03-", "k-proj-", "k-or-v1-", "k_live_", "k_test_", "ntrys_"],
            "h": ["f_", "vs."],
            "A": ["Iza"],
            "x": ["oxb-", "oxp-", "oxa-", "oxe.xoxp-", "app-1-", "ai-"],
            "n": ["pm_", "tn_", "vapi-"],
            "p": ["ypi-", "plx-"],
            "d": ["ckr_pat_", "op_v1_"],
            "r": ["8_", "k_live_"],
            "y": ["a29."],
            "G": ["OCSPX-"],
            "t": ["vly-"],
            "l": ["in_api_", "sv2_pt_"],
            "w": ["andb_v1_"],
        }.items()
        for end in ends
    ),
    *((f"id {'A' + kind}A{LONG.upper()[:16]} x", ("id ", " x")) for kind in ("KI", "SI")),
    (f"{'AK'}IA{'Q7' * 8} {'wJ4/' * 10}", ()),
    (f"Basic {base64.b64encode(b'me:' + S.encode()).decode()}", ("Basic ",)),
]  # fmt: skip

_TEXTS = r"""
    https://host/path|http://localhost:8080/x|https://medium.com/@user/post|s3://bucket/key
    http://localhost:8080/@vite/client|https://h.org:8080/@fs/x|https://h/x?email=a@b.c&page=2
    ssh://git@host/repo|git@github.com:org/repo.git|mailto:me@example.org|cc:bob@example.org
    me@example.org|Bob <bob@example.org>|contact:bob1@example.org|user@host:/path|hdfs://nn:8020/x@y
    nginx:1.25@sha256:0123abcd|docker://img:1.2@sha256:0123abcd|npm:lodash@4.17.21|a:b@c
    pkg @ git+https://host/r@v1.0|recall:20@k|lr:0.1@cosine|hit:5@10|file:///C:/x@y|sqlite:///x.db
    num_tokens=512|max_token_length=128|max tokens: 512|token_dim: 64|key_dim=64|tokens=1000
    primary_key=user_id|sort key: price|key=user_id|key=lambda row: row[1]|foreign_key="item_id_2"
    token=5|cls_token='[CLS]'|eos_token=</s>|tokenizer=bert-base-uncased|use_cls_token=True
    password=None|password=|api_key=null|secret=False|token: str|password: str = None|auth=basic
    def login(user: str, password: str) -> None|api_key: Optional|unexpected token: end of file
    invalid password: too short|the secret: practice makes perfect|Unexpected token in JSON
    the token fox jumps|a key insight: less is more|pass: the second one|author: Jane Doe
    Authorization failed|basic training of models|Basic authentication|bearer of news|Basic Income
    ssh -p 2222 host|mysql -P 3306 -p db|docker run -p 8080:80 image|redis-cli -p 6379|port%3D3306
    token bucket|token is missing|key is required|password is too long|no such key: item
    KeyError: 'item_id'|KeyError: 'api_key'|TypeError: login() missing 1 argument: 'password'
    --num-tokens 512|--max-token-length 128|--key-dim 64|--pass-through|--tokenizer bert2bert3x
    --pin-memory true|--primary-key user_id|-u 1000:1000|--user 0:0|--pass 3|--lr 0.1 --epochs 10
    ['token_dim', 'key_dim']|['--num-tokens', '512']|["password", "email"]|('token', 'item')
    {"num_tokens": 512, "primary_key": "user_id"}|{"token": 5}|{"keys": ["user_id", "item_id"]}
    Namespace(num_tokens=512, key='user_id')|<token>|<password></password>|<key>user_id</key>
    (token_embedding): Embedding(100, 8)|(key): Linear(in_features=8, out_features=8, bias=True)
    0123456789abcdef0123456789abcdef|da39a3ee5e6b4b0d3255bfef95601890afd80709|resnet50|bert4rec
    8f14e45f-ceea-467f-9b36-5c1f0e6b0a3d|sha256:0123456789abcdef|2026-01-02T03:04:05Z|cuda:0
    sk-learn|sk-learn-random-forest-100-trees|task-sk-1|ask-me|risk-averse-model-2026|desk_lamp
    hf_hub|hf_model_name|ghp_|npm_config_registry|npm_package_version|pypi-publish-workflow-main
    github_pattern|glpat|xoxo|AKIA|AIza|eyJ|eyJhbGciOiJ|key-value-store-2026|SG.1|dapi|r8_model
    -----BEGIN CERTIFICATE-----|-----BEGIN PUBLIC KEY-----|BEGIN PRIVATE KEY|---|=====|::|@|://
    a b c|x=1&y=2|x;y;z|C:\Users\me\\runs|/home/me/.ssh/id_rsa|~/.netrc|runs/2026-01-02|a@b:c
    val/auc|train/loss|embedding/item/norm|epoch 3: auc 0.75, loss 0.5|lr=0.001, dropout=0.2
    DeepFM|Adam|StepLR|relu|[64, 32]|精排/损失|用户:1001|token 长度=128|None|true|nan|1e-5|0.75
    keyboard: qwerty2keys4all|monkey=1a2b3c4d5e6f|secretary: a1b2c3d4e5f6|author=x1y2z3w4v5u6
    passenger_id=1a2b3c4d5e|bypass=1|compass: n1o2r3t4h5e6|pinned=a1b2c3d4e5|shopping=a1b2c3d4e5
    sort_key=created_at|cache_key=user_v2|model_key=deepfm_v2|metric_key=val/auc|group_key=user
    stop_token=<|end|>|pad_token=<pad>|token_type=bearer|auth_type=oauth2|password_field=pwd
    token_url=https://h/oauth2/token|secret_name=prod/db|api_key_env=OPENAI_API_KEY|pin_memory=True
    wandb login failed|run wandb login --relogin first|wandb login --host=https://api.host.org
    token：统计长度|the token is: missing|APIkeyboard=qwerty2keys4all
    password_min_length=8|token_ttl: 3600|key_len=32|credentials_path=/etc/app/creds.json
"""
HARMLESS_TEXTS = [
    text.strip() for line in _TEXTS.splitlines() for text in line.split("|") if text.strip()
]
