//! What is wrong with shelf labels and their gateways. Which labels it is stands in the work list.

use super::StaffText;
use crate::texts::Language;

pub(super) fn misuse(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "有价签被别人改过",
            now: "今天给总部打电话。价格会自动改回来。",
            steps: &[
                "到列出的价签那里看价格，不对就先用手写。",
                "问一下是谁动了价签或它的网络。",
                "给总部打电话，告诉他们“有人改了价签”。",
            ],
        },
        StaffText {
            what: "has shelf labels that somebody else has written to",
            now: "Call headquarters today. The labels get their prices back by themselves.",
            steps: &[
                "Look at the labels in the list: where a price is wrong, write it by hand.",
                "Ask who has worked on the labels or their network.",
                "Call headquarters: tell them “somebody writes to our labels”.",
            ],
        },
        StaffText {
            what: "の棚札が他から書き換えられています",
            now: "今日中に本部に電話してください。価格は自動で元に戻ります。",
            steps: &[
                "一覧の棚札を見て、価格が違うときは手書きの値札を付けてください。",
                "棚札やそのネットワークを誰かが触ったか聞いてください。",
                "本部に電話して「棚札が書き換えられた」と伝えてください。",
            ],
        },
    )
}

pub(super) fn key(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "有价签要重新登记",
            now: "在列出的价签上放手写价格，然后报修。",
            steps: &["看列出的价签，价格不对就用手写。", "给总部打电话，告诉他们“价签的密钥不对”。"],
        },
        StaffText {
            what: "has labels that must be registered anew",
            now: "Put prices by hand on the labels in the list, then call headquarters.",
            steps: &[
                "Look at the labels in the list: where a price is wrong, write it by hand.",
                "Call headquarters: tell them “labels have the wrong key”.",
            ],
        },
        StaffText {
            what: "に登録し直す棚札があります",
            now: "一覧の棚札に手書きの値札を付け、本部に連絡してください。",
            steps: &[
                "一覧の棚札を見て、価格が違うときは手書きの値札を付けてください。",
                "本部に電話して「棚札の鍵が違う」と伝えてください。",
            ],
        },
    )
}

pub(super) fn display(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "有价签坏了",
            now: "换掉列出的价签。",
            steps: &[
                "拿一个同样大小的新价签，绑定到同一商品。",
                "把坏的价签取下来收好。",
                "没有新价签，就告诉店长。",
            ],
        },
        StaffText {
            what: "has labels that are broken",
            now: "Replace the labels in the list.",
            steps: &[
                "Take a new label of the same size and bind it to the same item.",
                "Take the broken one away.",
                "If there is no spare label, tell the manager.",
            ],
        },
        StaffText {
            what: "に壊れた棚札があります",
            now: "一覧の棚札を交換してください。",
            steps: &[
                "同じ大きさの新しい棚札を同じ商品に登録してください。",
                "壊れた棚札は取り外してください。",
                "予備がないときは店長に伝えてください。",
            ],
        },
    )
}

pub(super) fn battery(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "有价签快没电了",
            now: "这几天给列出的价签换电池。",
            steps: &[
                "按列表到货架前换电池，价格会自动回来。",
                "换完后看一眼价格对不对。",
                "没有电池，就告诉店长。",
            ],
        },
        StaffText {
            what: "has labels whose batteries are low",
            now: "Replace the batteries of the labels in the list within days.",
            steps: &[
                "Go to the shelves in the list and replace the batteries; the price comes back by itself.",
                "Look whether it is right.",
                "If there are no batteries, tell the manager.",
            ],
        },
        StaffText {
            what: "に電池の少ない棚札があります",
            now: "数日のうちに一覧の棚札の電池を交換してください。",
            steps: &[
                "一覧の棚へ行って電池を交換してください。価格は自動で戻ります。",
                "交換のあと、価格が正しいか見てください。",
                "電池がないときは店長に伝えてください。",
            ],
        },
    )
}

pub(super) fn silent(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "有价签没有回应",
            now: "今天到货架前看一下列出的价签。",
            steps: &[
                "找到价签：掉了、被挡住或拿走了，就放回原处。",
                "还在原处的，换电池。价格不对就先用手写。",
                "找不到，就告诉店长。",
            ],
        },
        StaffText {
            what: "has labels that do not answer",
            now: "Look at the labels in the list today.",
            steps: &[
                "Find the label: if it fell down, is covered or was taken away, put it back.",
                "If it is in its place, replace its battery. Where a price is wrong, write it by hand.",
                "If you cannot find it, tell the manager.",
            ],
        },
        StaffText {
            what: "に応答しない棚札があります",
            now: "今日中に一覧の棚札を見てください。",
            steps: &[
                "棚札を探し、落ちている、隠れている、別の場所にあるときは元に戻してください。",
                "元の場所にあるときは電池を交換してください。価格が違うときは手書きの値札を付けてください。",
                "見つからないときは店長に伝えてください。",
            ],
        },
    )
}

pub(super) fn signal(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "有价签信号很弱",
            now: "不急。有空时看一下列出的价签。",
            steps: &["看价签前面是不是有金属或新放的货挡着。", "挪开以后还这样，就给总部打电话。"],
        },
        StaffText {
            what: "has labels that are hardly heard",
            now: "There is no hurry. Look at the labels in the list when you have time.",
            steps: &[
                "Look whether metal or new goods stand before the label, and move them.",
                "If it stays so, tell headquarters.",
            ],
        },
        StaffText {
            what: "に電波の弱い棚札があります",
            now: "急ぎません。手の空いたときに一覧の棚札を見てください。",
            steps: &[
                "棚札の前に金属や新しい商品がないか見て、あれば動かしてください。",
                "それでも続くときは本部に伝えてください。",
            ],
        },
    )
}

pub(super) fn late(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "有价签的价格还没换过来",
            now: "现在看列出的价签，价格不对就先用手写。",
            steps: &["看列出的价签，价格不对就用手写。", "等一个小时；还没换过来就给总部打电话。"],
        },
        StaffText {
            what: "has labels that do not show their new price yet",
            now: "Look at the labels in the list now; where a price is wrong, write it by hand.",
            steps: &[
                "Look at the labels in the list: where a price is wrong, write it by hand.",
                "Wait an hour; if it has not changed by then, call headquarters.",
            ],
        },
        StaffText {
            what: "に新しい価格になっていない棚札があります",
            now: "今すぐ一覧の棚札を見て、価格が違うときは手書きの値札を付けてください。",
            steps: &[
                "一覧の棚札を見て、価格が違うときは手書きの値札を付けてください。",
                "一時間待っても変わらないときは本部に電話してください。",
            ],
        },
    )
}

pub(super) fn gateway_offline(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "的价签基站断开了",
            now: "看一下价签基站有没有电。",
            steps: &[
                "看天花板上的价签基站：灯不亮就检查插头和网线。",
                "还是不行，就给总部打电话，告诉他们“价签基站断开了”。",
            ],
        },
        StaffText {
            what: "has lost its label gateway",
            now: "Look whether the label gateway has power.",
            steps: &[
                "Look at the box of the labels under the ceiling: if its lamp is dark, check plug and network cable.",
                "If that does not help, call headquarters: tell them “the label gateway is away”.",
            ],
        },
        StaffText {
            what: "の棚札の基地局がつながっていません",
            now: "棚札の基地局の電源を見てください。",
            steps: &[
                "天井の棚札の基地局を見て、ランプが消えていたらコンセントとケーブルを確かめてください。",
                "それでも直らないときは本部に電話して「棚札の基地局がつながらない」と伝えてください。",
            ],
        },
    )
}

pub(super) fn gateway_disk(language: Language) -> StaffText {
    language.pick(
        StaffText {
            what: "的价签基站存储快满了",
            now: "今天给总部打电话。",
            steps: &["把价签基站的插头拔下，等一分钟再插上。", "给总部打电话，告诉他们“价签基站满了”。"],
        },
        StaffText {
            what: "has a label gateway that is nearly full",
            now: "Call headquarters today.",
            steps: &[
                "Unplug the label gateway, wait a minute, and plug it in again.",
                "Call headquarters: tell them “the label gateway is full”.",
            ],
        },
        StaffText {
            what: "の棚札の基地局の容量が残りわずかです",
            now: "今日中に本部に電話してください。",
            steps: &[
                "棚札の基地局のコンセントを抜き、一分待ってから差してください。",
                "本部に電話して「棚札の基地局がいっぱい」と伝えてください。",
            ],
        },
    )
}
