"""Small bundles written by hand, for the model's own tests."""

from tests.model.bundle import Bundle, Field, Helper, Intent, Page, Param, Tree

SELF_SRC, SELF_DST, SELF_AMOUNT = ("arg", "src"), ("arg", "dst"), ("arg", "amount")
ONE: Tree = ("lit", 1, "1")

ACCOUNT = Page(
    "Account",
    ("u64",),
    (Field("owner", "text(24)"), Field("balance", "i64", (("ge", 0),)), Field("moves", "i64")),
)

TRANSFER = Intent(
    "Transfer",
    (Field("src", "u64"), Field("dst", "u64"), Field("amount", "i64", (("gt", 0),))),
    query=(("Account", (SELF_SRC,)), ("Account", (SELF_DST,))),
    pages=("src", "dst"),
    predicate=(("return", ("compare", ("get", "src", "balance"), ((">=", SELF_AMOUNT),))),),
    delta=(
        ("aug", "-", ("get", "src", "balance"), SELF_AMOUNT),
        ("aug", "+", ("get", "dst", "balance"), SELF_AMOUNT),
        ("aug", "+", ("get", "src", "moves"), ONE),
        ("aug", "+", ("get", "dst", "moves"), ONE),
    ),
)

DEPOSIT = Intent(
    "Deposit",
    (Field("dst", "u64"), Field("amount", "i64")),
    query=(("Account", (SELF_DST,)),),
    pages=("dst",),
    delta=(("call", "credit", ((None, ("page", "dst")), (None, SELF_AMOUNT))),),
    on_rejected="Refund",
)

REFUND = Intent(
    "Refund",
    (Field("amount", "i64"),),
    query=(("Account", (("lit", 0, "0"),)),),
    pages=("house",),
    delta=(("aug", "+", ("get", "house", "balance"), SELF_AMOUNT),),
)

SEND = Intent(
    "Send",
    (Field("src", "u64"), Field("dst", "u64"), Field("amount", "i64", (("gt", 0),))),
    query=(("Account", (SELF_SRC,)),),
    pages=("src",),
    delta=(
        (
            "if",
            ((("compare", ("get", "src", "balance"), (("<", SELF_AMOUNT),)), (("reject", "insufficient funds"),)),),
            (),
        ),
        ("aug", "-", ("get", "src", "balance"), SELF_AMOUNT),
        ("emit", "Deposit", ((None, SELF_DST), ("amount", SELF_AMOUNT))),
    ),
)

CLOSE = Intent(
    "Close",
    (Field("src", "u64"),),
    query=(("Account", (SELF_SRC,)),),
    pages=("src",),
    delta=(("delete", "src"),),
)

CREDIT = Helper(
    "credit",
    (Param("page", "Account"), Param("amount")),
    (("aug", "+", ("get", "page", "balance"), ("name", "amount")), ("return", None)),
)

BANK = Bundle("bank", (ACCOUNT,), (TRANSFER, DEPOSIT, REFUND, SEND, CLOSE), (CREDIT,))
