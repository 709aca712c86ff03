"""Tiny random checkpoints of many model families, made without a network in a fraction of a second each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from conftest import WORDS

MANY = 512  # positions, except where a family has its own rule
SIZES = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64}
ROTARY = {**SIZES, "num_key_value_heads": 2, "max_position_embeddings": MANY}
GPT = {"n_embd": 32, "n_layer": 4, "n_head": 2}
BERT_LIKE = {**SIZES, "max_position_embeddings": MANY}


def tokenizer(special: Sequence[str], single: str, pair: str, **settings: Any) -> Any:
    """A tokenizer of whole words and letters; `special` are its special tokens in the order of their ids."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    vocabulary = dict.fromkeys([*special, *WORDS, *letters, *(f"##{letter}" for letter in letters)])
    ids = {token: index for index, token in enumerate(vocabulary)}
    made = Tokenizer(models.WordPiece(ids, unk_token=settings["unk_token"]))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if single:
        used = [(token, ids[token]) for token in special if token in single + pair]
        made.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=used)
    settings.setdefault("model_input_names", ["input_ids", "attention_mask"])
    return PreTrainedTokenizerFast(tokenizer_object=made, **settings)


def bert_words(types: bool = True) -> Any:
    return tokenizer(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1",
        model_input_names=["input_ids", "attention_mask"] + ["token_type_ids"] * types, pad_token="[PAD]",
        unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]",
    )  # fmt: skip


def roberta_words() -> Any:
    return tokenizer(
        ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "<s> $A </s>", "<s> $A </s> </s> $B </s>", bos_token="<s>",
        eos_token="</s>", sep_token="</s>", cls_token="<s>", unk_token="<unk>", pad_token="<pad>", mask_token="<mask>",
    )  # fmt: skip


def xlnet_words() -> Any:
    return tokenizer(
        ["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>"], "$A:0 <sep>:0 <cls>:2",
        "$A:0 <sep>:0 $B:1 <sep>:1 <cls>:2", model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        padding_side="left", pad_token="<pad>", unk_token="<unk>", cls_token="<cls>", sep_token="<sep>",
        mask_token="<mask>", bos_token="<s>", eos_token="</s>",
    )  # fmt: skip


def t5_words() -> Any:
    return tokenizer(
        ["<pad>", "</s>", "<unk>"], "$A </s>", "$A </s> $B </s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )  # fmt: skip


def gpt_words() -> Any:
    """As GPT-2: no padding token, nothing added to a text."""
    end = "<|endoftext|>"
    return tokenizer([end], "", "", bos_token=end, eos_token=end, unk_token=end)


def llama_words() -> Any:
    return tokenizer(
        ["<unk>", "<s>", "</s>", "<pad>"], "<s> $A", "<s> $A $B", bos_token="<s>", eos_token="</s>",
        unk_token="<unk>", pad_token="<pad>", padding_side="left",
    )  # fmt: skip


Family = tuple[Callable[[], Any], str, Mapping[str, Any]]  # tokenizer, configuration class, its fields
LLAMA = {"pad_token_id": 3, "bos_token_id": 1, "eos_token_id": 2}
END = {"bos_token_id": 0, "eos_token_id": 0}
FAMILIES: dict[str, Family] = {
    "bert": (bert_words, "BertConfig", BERT_LIKE),
    "roberta": (roberta_words, "RobertaConfig", {**BERT_LIKE, "type_vocab_size": 1, "pad_token_id": 1}),
    "distilbert": (bert_words, "DistilBertConfig", {"dim": 32, "n_layers": 4, "n_heads": 2, "hidden_dim": 64}),
    "electra": (bert_words, "ElectraConfig", {**BERT_LIKE, "embedding_size": 16}),
    "albert": (bert_words, "AlbertConfig", {**BERT_LIKE, "embedding_size": 16}),
    "mpnet": (roberta_words, "MPNetConfig", {**BERT_LIKE, "pad_token_id": 1}),
    "deberta-v2": (
        bert_words, "DebertaV2Config",
        {**BERT_LIKE, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16,
         "position_biased_input": False, "type_vocab_size": 0, "share_att_key": True, "norm_rel_ebd": "layer_norm"},
    ),
    "modernbert": (
        lambda: bert_words(False), "ModernBertConfig",
        {**BERT_LIKE, "num_hidden_layers": 6, "local_attention": 8, "pad_token_id": 0, "cls_token_id": 2,
         "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3},
    ),
    "longformer": (
        roberta_words, "LongformerConfig",
        {**BERT_LIKE, "attention_window": [8, 8, 16, 16], "pad_token_id": 1, "sep_token_id": 2, "type_vocab_size": 1},
    ),
    "funnel": (
        bert_words, "FunnelConfig",
        {"block_sizes": [2, 2], "d_model": 32, "n_head": 2, "d_head": 16, "d_inner": 64, "num_decoder_layers": 1},
    ),
    "xlnet": (xlnet_words, "XLNetConfig", {"d_model": 32, "n_layer": 4, "n_head": 2, "d_inner": 64, "pad_token_id": 5}),
    "xlm": (
        roberta_words, "XLMConfig",
        {"emb_dim": 32, "n_layers": 4, "n_heads": 2, "pad_index": 1, "pad_token_id": 1, "use_lang_emb": False},
    ),
    "fnet": (bert_words, "FNetConfig", {**BERT_LIKE, "use_tpu_fourier_optimizations": False}),
    "gpt2": (gpt_words, "GPT2Config", {**GPT, **END, "n_positions": MANY}),
    "gpt-neo": (
        gpt_words, "GPTNeoConfig",
        {"hidden_size": 32, "num_layers": 4, "num_heads": 2, "attention_types": [[["global", "local"], 2]],
         "window_size": 8, "max_position_embeddings": MANY, **END},
    ),
    "gpt-neox": (gpt_words, "GPTNeoXConfig", {**BERT_LIKE, **END}),
    "opt": (
        roberta_words, "OPTConfig",
        {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "ffn_dim": 64, "pad_token_id": 1,
         "max_position_embeddings": MANY, "word_embed_proj_dim": 32},
    ),
    "bloom": (llama_words, "BloomConfig", {"hidden_size": 32, "n_layer": 4, "n_head": 2, **LLAMA}),
    "llama": (llama_words, "LlamaConfig", {**ROTARY, **LLAMA}),
    "mistral": (llama_words, "MistralConfig", {**ROTARY, "sliding_window": 8, **LLAMA, "pad_token_id": None}),
    "phi3": (llama_words, "Phi3Config", {**ROTARY, **LLAMA}),
    "qwen2": (gpt_words, "Qwen2Config", {**ROTARY, **END}),
    "qwen3": (gpt_words, "Qwen3Config", {**ROTARY, "head_dim": 16, **END}),
    "gemma2": (llama_words, "Gemma2Config", {**ROTARY, "head_dim": 16, "sliding_window": 8, **LLAMA}),
    "gemma3": (llama_words, "Gemma3TextConfig", {**ROTARY, "head_dim": 16, "sliding_window": 8, **LLAMA}),
    "t5": (
        t5_words, "T5Config",
        {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 4, "num_heads": 2, "decoder_start_token_id": 0},
    ),
    "bart": (
        roberta_words, "BartConfig",
        {"d_model": 32, "encoder_layers": 4, "decoder_layers": 4, "encoder_attention_heads": 2,
         "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": MANY},
    ),
}  # fmt: skip


def make_family(family: str, folder: Path, *, outputs: int | None = None, auto: str = "AutoModel") -> Path:
    """Write a checkpoint of a family into `folder`; with `outputs` it is a classifier with so many.

    The weights are larger than a fresh model's, so that a wrong position or a wrong mask shows in the logits.
    """
    import torch
    import transformers

    words, name, fields = FAMILIES[family]
    made = words()
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        config = getattr(transformers, name)(vocab_size=len(made), **fields)
        if family == "funnel":  # its configuration has two models, of which this names one
            config.architectures = ["FunnelModel"]
        if outputs is not None:
            config.num_labels, auto = outputs, "AutoModelForSequenceClassification"
        model = getattr(transformers, auto).from_config(config)
        for weight in model.parameters():
            if weight.ndim >= 2:
                torch.nn.init.normal_(weight, std=0.2)
        model.save_pretrained(folder)
    made.save_pretrained(folder)
    return folder
