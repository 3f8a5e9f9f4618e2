"""TIGER on semantic ids: a T5 trained in a loop by hand, and a search among the items alone."""

import argparse
import json

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerFast, T5Config

from torch_rechub.models.generative.tiger import TIGERModel
from torch_rechub.utils.data import TigerSeqDataset, Trie


def write_data():
    index = {str(i): [f"<a_{i // 3}>", f"<b_{i % 3}>"] for i in range(9)}
    inters = {str(u): [(u + step) % 9 for step in range(5)] for u in range(18)}
    for name, content in (("inter", inters), ("index", index)):
        with open(f"{name}.json", "w") as file:
            json.dump(content, file)
    return inters, index


def make_tokenizer():
    """No download: a tokenizer that knows padding, the end, and what is added to it."""
    words = Tokenizer(WordLevel({"<pad>": 0, "</s>": 1, "<unk>": 2}, unk_token="<unk>"))
    words.pre_tokenizer = Split("><", "merged_with_previous")
    words.post_processor = TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def main(args):
    torch.manual_seed(args.seed)
    inters, index = write_data()
    train_data = TigerSeqDataset(inters, index, max_his_len=4, mode="train")
    test_data = TigerSeqDataset(inters, index, max_his_len=4, mode="test", sample_num=8)
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(train_data.get_new_tokens())
    config = T5Config(
        d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=2, dropout_rate=0.0,
        vocab_size=len(tokenizer), pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    model = TIGERModel(config)
    model.set_hyper(args.temperature)
    model.resize_token_embeddings(len(tokenizer))
    collate_fn = train_data.get_collate_fn(tokenizer)
    loader = DataLoader(train_data, batch_size=12, shuffle=True, collate_fn=collate_fn)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate)
    losses = []
    for _ in range(args.epoch):
        for batch in loader:
            output = model(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"],
                labels=batch["labels"],
            )  # fmt: skip
            optimizer.zero_grad()
            output.loss.backward()
            optimizer.step()
            losses.append(output.loss.item())
    print(f"loss {losses[0]:.3f} to {losses[-1]:.3f}")
    assert losses[-1] < losses[0]
    print("the same loss again:", float(model.ranking_loss(output.logits, batch["labels"])))

    model.eval()
    all_items = test_data.get_all_items()
    assert set(test_data.get_all_items(as_list=True)) == all_items
    trie = Trie([[0, *tokenizer.encode(item)] for item in sorted(all_items)])
    of_trie = trie.def_prefix_allowed_tokens_fn(trie)
    of_data = test_data.get_prefix_allowed_tokens_fn(tokenizer)
    batch = next(iter(DataLoader(test_data, batch_size=4, collate_fn=collate_fn)))
    for allowed in (of_trie, of_data):
        found = model.generate(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], max_new_tokens=4,
            num_beams=3, num_return_sequences=3, prefix_allowed_tokens_fn=allowed,
        )  # fmt: skip
        texts = tokenizer.batch_decode(found, skip_special_tokens=True)
        assert {text.replace(" ", "") for text in texts} <= all_items

    small = Trie()
    small.add([0, 5, 1])
    small.append(Trie([[7, 1]]), bos_token_id=5)
    print(small.get([0]), Trie.load_from_dict(small.trie_dict).get([0, 5]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset_path", default="./data")
    parser.add_argument("--epoch", type=int, default=6)
    parser.add_argument("--learning_rate", type=float, default=1e-2)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=2022)
    main(parser.parse_args())
