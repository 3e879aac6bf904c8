//! The switch that forbids real models, in a process of its own: it cannot be turned back.

use qsef_core::{AnyModel, Error, Message, Request, check_real_model, forbid_real_models, test_util::ScriptedModel};

#[tokio::test]
async fn real_models_are_refused_and_scripted_ones_are_not() {
    assert!(check_real_model("m").is_ok());
    forbid_real_models();
    let error = check_real_model("m").unwrap_err();
    assert!(
        matches!(&error, Error::Vetoed(why) if why.contains("`m`") && why.contains("forbid_real_models()")),
        "{error}"
    );
    let scripted = AnyModel::new(ScriptedModel::answers(["yes"]));
    assert_eq!(scripted.generate(Request::new(vec![Message::user("x")])).await.unwrap().text, "yes");
}
