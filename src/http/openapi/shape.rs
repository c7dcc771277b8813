//! The shapes of bodies: fields, each with its schema and an example.

use serde_json::{Map, Value, json};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, KnownFormat, Object, ObjectBuilder, SchemaFormat,
    SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr, Schema};

/// One field of an object, or one parameter.
#[derive(Clone)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) schema: RefOr<Schema>,
    pub(super) example: Value,
    /// Whether it must be there.
    pub(super) required: bool,
    /// Whether JSON's null is as good as its absence.
    null: bool,
    /// Whether the example of the whole shows it: of two fields that exclude each other, one does.
    shown: bool,
}

/// An object: its schema and an example that fits it.
pub(super) struct Shape {
    pub(super) schema: Object,
    pub(super) example: Value,
}

/// A field of some type.
pub(super) fn field(name: &'static str, kind: Type, about: &str, example: Value) -> Field {
    let schema = ObjectBuilder::new().schema_type(kind);
    Field {
        name,
        schema: schema.description(Some(about)).into(),
        example,
        required: true,
        null: false,
        shown: true,
    }
}

/// A text.
pub(super) fn text(name: &'static str, about: &str, example: &str) -> Field {
    field(name, Type::String, about, json!(example))
}

/// A text that is always the same.
pub(super) fn word(name: &'static str, about: &str, value: &str) -> Field {
    one_of(name, about, &[value])
}

/// A text that is one of these; the first is the example.
pub(super) fn one_of(name: &'static str, about: &str, values: &[&str]) -> Field {
    let example = values.first().copied().unwrap_or_default();
    let values = values.iter().map(|value| json!(value)).collect();
    text(name, about, example).with(|schema| schema.enum_values = Some(values))
}

/// An instant, as RFC 3339 writes it.
pub(super) fn instant(name: &'static str, about: &str, example: &str) -> Field {
    text(name, about, example).format(KnownFormat::DateTime)
}

/// An e-mail address.
pub(super) fn email(name: &'static str, about: &str) -> Field {
    let most = 254; // RFC 5321 section 4.5.3.1.3
    text(name, about, "ann@example.com")
        .format(KnownFormat::Email)
        .with(|schema| schema.max_length = Some(most))
}

/// A language tag, as `domain::Locale` reads it. An empty text is as good as none.
pub(super) fn locale(name: &'static str, about: &str) -> Field {
    text(name, about, "fr")
        .pattern("^([A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*)?$")
        .with(|schema| schema.max_length = Some(35))
}

/// A list of texts that are each one of these.
pub(super) fn list(name: &'static str, about: &str, values: &[&str]) -> Field {
    let item = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(values.iter().copied()));
    let array = ArrayBuilder::new().items(item).description(Some(about));
    let example = values.iter().take(1).map(|value| json!(value)).collect();
    Field {
        schema: array.into(),
        ..field(name, Type::Array, about, example)
    }
}

/// A field whose schema stands among the components.
pub(super) fn component(name: &'static str, schema: &str, example: Value) -> Field {
    Field {
        schema: Ref::from_schema_name(schema).into(),
        ..field(name, Type::Object, "", example)
    }
}

/// A field that is an object of these fields.
pub(super) fn nested(name: &'static str, fields: impl IntoIterator<Item = Field>) -> Field {
    let Shape { schema, example } = object(fields);
    Field {
        schema: schema.into(),
        ..field(name, Type::Object, "", example)
    }
}

impl Field {
    /// The same field, as one that may be missing, or null where there are nulls.
    pub(super) fn optional(mut self) -> Self {
        (self.required, self.null) = (false, true);
        self
    }

    /// The same field, as one that may be missing but is not null when it is there.
    pub(super) fn omissible(mut self) -> Self {
        (self.required, self.null) = (false, false);
        self
    }

    /// The same field under another name.
    pub(super) fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// The same field, left out of the example of the whole.
    pub(super) fn without_example(mut self) -> Self {
        self.shown = false;
        self
    }

    /// The same field of an answer, as one that may be null but is always there.
    pub(super) fn or_null(mut self) -> Self {
        let types = match &mut self.schema {
            RefOr::T(Schema::Object(object)) => &mut object.schema_type,
            RefOr::T(Schema::Array(array)) => &mut array.schema_type,
            _ => return self,
        };
        if let SchemaType::Type(kind) = types {
            *types = [kind.clone(), Type::Null].into_iter().collect();
        }
        self
    }

    /// The same field with a format.
    pub(super) fn format(self, format: KnownFormat) -> Self {
        self.with(|schema| schema.format = Some(SchemaFormat::KnownFormat(format)))
    }

    /// The same field with a pattern (ECMA-262).
    pub(super) fn pattern(self, pattern: &str) -> Self {
        self.with(|schema| schema.pattern = Some(pattern.to_owned()))
    }

    /// The same field with more in its schema.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Object)) -> Self {
        if let RefOr::T(Schema::Object(object)) = &mut self.schema {
            change(object);
        }
        self
    }

    /// Whether a form can say it: forms know texts only.
    fn fits_a_form(&self) -> bool {
        let kind = match &self.schema {
            RefOr::T(Schema::Object(object)) => &object.schema_type,
            _ => return false,
        };
        !matches!(kind, SchemaType::Type(Type::Object))
    }
}

/// An object of these fields. Who reads it must bear others that are new.
pub(super) fn object(fields: impl IntoIterator<Item = Field>) -> Shape {
    let (mut schema, mut example) = (ObjectBuilder::new().schema_type(Type::Object), Map::new());
    for field in fields {
        if field.required {
            schema = schema.required(field.name);
        }
        schema = schema.property(field.name, field.schema);
        if field.shown {
            example.insert(field.name.to_owned(), field.example);
        }
    }
    Shape {
        schema: schema.build(),
        example: Value::Object(example),
    }
}

/// A request's fields as JSON.
pub(super) fn json_of(fields: &[Field]) -> Shape {
    let nullable = |field: Field| if field.null { field.or_null() } else { field };
    object(fields.iter().cloned().map(nullable))
}

/// A request's fields as a form.
pub(super) fn form_of(fields: &[Field]) -> Shape {
    object(fields.iter().filter(|field| field.fits_a_form()).cloned())
}

impl Shape {
    /// The same object, as one that never has another field.
    pub(super) fn closed(mut self) -> Self {
        self.schema.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        self
    }
}
