//! Columns of Parquet as the readers need them: few types out of many.

use std::fmt::Write;
use std::sync::Arc;

use ::parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use ::parquet::schema::types::ColumnDescriptor;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowTimestampType, Date32Type, Date64Type, Decimal128Type, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int32Array,
    Int64Array, StringArray, UInt64Array,
};
use arrow_schema::{DataType, Field, TimeUnit as ArrowUnit};

use super::super::columns::Role;
use super::super::gather::Cell;
use super::super::moment::TimeUnit;

/// The values of one column in one batch.
#[derive(Debug)]
pub(super) enum Values {
    /// Keys into a list of texts.
    Words { keys: Int32Array, texts: Arc<StringArray> },
    /// Texts.
    Texts(StringArray),
    /// Whole numbers.
    Whole(Int64Array),
    /// Whole numbers that may be larger.
    Unsigned(UInt64Array),
    /// Numbers.
    Floats(Float64Array),
    /// Yes or no.
    Truths(BooleanArray),
    /// Bytes that may be a text.
    Blobs(BinaryArray),
    /// Bytes, such as UUIDs.
    Bytes(FixedSizeBinaryArray),
    /// Decimal numbers.
    Decimals(Decimal128Array),
    /// Moments in a unit since 1970.
    Moments(Int64Array, TimeUnit),
    /// Nothing in any row.
    Nulls(usize),
}

/// How a column is read: as shared keys where that is possible, and plainly. `None` when nobody can use it.
///
/// What the file calls text is text; mere bytes stay bytes and are looked at value by value.
pub(super) fn read_as(field: &Field, column: &ColumnDescriptor) -> Option<(DataType, DataType)> {
    let inner = match field.data_type() {
        DataType::Dictionary(_, inner) => inner.as_ref(),
        other => other,
    };
    let plain = match column.physical_type() {
        PhysicalType::INT96 => DataType::Timestamp(ArrowUnit::Microsecond, None),
        PhysicalType::BYTE_ARRAY if is_text(column) => DataType::Utf8,
        PhysicalType::BYTE_ARRAY if is_bytes(inner) => DataType::Binary,
        _ if is_known(inner) => inner.clone(),
        _ => return None,
    };
    let words = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let shared = if plain == DataType::Utf8 { words } else { plain.clone() };
    Some((shared, plain))
}

fn is_text(column: &ColumnDescriptor) -> bool {
    matches!(column.logical_type_ref(), Some(LogicalType::String | LogicalType::Enum | LogicalType::Json))
        || matches!(column.converted_type(), ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON)
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
    )
}

fn is_known(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Float16
                | DataType::Float32
                | DataType::Float64
                | DataType::Boolean
                | DataType::FixedSizeBinary(_)
                | DataType::Decimal128(_, _)
                | DataType::Timestamp(_, _)
                | DataType::Date32
                | DataType::Date64
                | DataType::Null
        )
}

/// Says whether a column of this type can play a role.
pub(super) fn can_be(data_type: &DataType, role: Role) -> bool {
    let is_moment = matches!(data_type, DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64);
    if role.is_time() {
        return !matches!(data_type, DataType::Boolean | DataType::FixedSizeBinary(_));
    }
    !is_moment
}

impl Values {
    /// Takes a column; `None` for a type that [`read_as`] does not ask for.
    pub fn of(array: ArrayRef) -> Option<Self> {
        fn whole<T: arrow_array::types::ArrowPrimitiveType>(array: &ArrayRef) -> Values
        where
            T::Native: Into<i64>,
        {
            Values::Whole(array.as_primitive::<T>().unary(Into::into))
        }
        fn unsigned<T: arrow_array::types::ArrowPrimitiveType>(array: &ArrayRef) -> Values
        where
            T::Native: Into<u64>,
        {
            Values::Unsigned(array.as_primitive::<T>().unary(Into::into))
        }
        Some(match array.data_type() {
            DataType::Utf8 => Values::Texts(array.as_string::<i32>().clone()),
            DataType::Dictionary(_, _) => {
                let words = array.as_any_dictionary_opt()?;
                let texts = words.values().as_string_opt::<i32>()?.clone();
                let keys = words.keys().as_primitive_opt::<Int32Type>()?.clone();
                Values::Words { keys, texts: Arc::new(texts) }
            }
            DataType::Int8 => whole::<Int8Type>(&array),
            DataType::Int16 => whole::<Int16Type>(&array),
            DataType::Int32 => whole::<Int32Type>(&array),
            DataType::Int64 => Values::Whole(array.as_primitive::<Int64Type>().clone()),
            DataType::UInt8 => unsigned::<UInt8Type>(&array),
            DataType::UInt16 => unsigned::<UInt16Type>(&array),
            DataType::UInt32 => unsigned::<UInt32Type>(&array),
            DataType::UInt64 => Values::Unsigned(array.as_primitive::<UInt64Type>().clone()),
            DataType::Float16 => Values::Floats(array.as_primitive::<Float16Type>().unary(|value| value.to_f64())),
            DataType::Float32 => Values::Floats(array.as_primitive::<Float32Type>().unary(f64::from)),
            DataType::Float64 => Values::Floats(array.as_primitive::<Float64Type>().clone()),
            DataType::Boolean => Values::Truths(array.as_boolean().clone()),
            DataType::Binary => Values::Blobs(array.as_binary::<i32>().clone()),
            DataType::FixedSizeBinary(_) => Values::Bytes(array.as_fixed_size_binary().clone()),
            DataType::Decimal128(_, _) => Values::Decimals(array.as_primitive::<Decimal128Type>().clone()),
            DataType::Timestamp(unit, _) => match unit {
                ArrowUnit::Second => moments::<TimestampSecondType>(array, TimeUnit::Seconds),
                ArrowUnit::Millisecond => moments::<TimestampMillisecondType>(array, TimeUnit::Millis),
                ArrowUnit::Microsecond => moments::<TimestampMicrosecondType>(array, TimeUnit::Micros),
                ArrowUnit::Nanosecond => moments::<TimestampNanosecondType>(array, TimeUnit::Nanos),
            },
            DataType::Date32 => {
                let seconds = array.as_primitive::<Date32Type>().unary(|days| i64::from(days) * 86_400);
                Values::Moments(seconds, TimeUnit::Seconds)
            }
            DataType::Date64 => {
                Values::Moments(array.as_primitive::<Date64Type>().unary(|millis| millis), TimeUnit::Millis)
            }
            DataType::Null => Values::Nulls(array.len()),
            _ => return None,
        })
    }

    pub fn len(&self) -> usize {
        match self {
            Values::Words { keys, .. } => keys.len(),
            Values::Texts(texts) => texts.len(),
            Values::Whole(numbers) | Values::Moments(numbers, _) => numbers.len(),
            Values::Unsigned(numbers) => numbers.len(),
            Values::Floats(numbers) => numbers.len(),
            Values::Truths(truths) => truths.len(),
            Values::Blobs(blobs) => blobs.len(),
            Values::Bytes(bytes) => bytes.len(),
            Values::Decimals(decimals) => decimals.len(),
            Values::Nulls(length) => *length,
        }
    }

    pub fn is_null(&self, row: usize) -> bool {
        match self {
            // A list without texts holds nothing, whatever the keys say.
            Values::Words { keys, texts } => {
                keys.is_null(row) || usize::try_from(keys.value(row)).map_or(true, |key| texts.len() <= key)
            }
            Values::Texts(texts) => texts.is_null(row),
            Values::Whole(numbers) => numbers.is_null(row),
            Values::Unsigned(numbers) => numbers.is_null(row),
            Values::Floats(numbers) => numbers.is_null(row) || numbers.value(row).is_nan(),
            Values::Truths(truths) => truths.is_null(row),
            Values::Blobs(blobs) => blobs.is_null(row),
            Values::Bytes(bytes) => bytes.is_null(row),
            Values::Decimals(decimals) => decimals.is_null(row),
            Values::Moments(numbers, _) => numbers.is_null(row),
            Values::Nulls(_) => true,
        }
    }

    /// Returns one value; numbers are written into `room`.
    pub fn cell<'a>(&'a self, row: usize, room: &'a mut String) -> Cell<'a> {
        room.clear();
        if self.is_null(row) {
            return Cell::Nothing;
        }
        let written = match self {
            Values::Words { keys, texts } => return Cell::text(texts.value(keys.value(row) as usize).as_bytes()),
            Values::Texts(texts) => return Cell::text(texts.value(row).as_bytes()),
            Values::Blobs(blobs) => return Cell::text(blobs.value(row)),
            Values::Truths(truths) => return Cell::Text(if truths.value(row) { b"true" } else { b"false" }),
            Values::Moments(numbers, unit) => return Cell::Moment(numbers.value(row), *unit),
            Values::Nulls(_) => return Cell::Nothing,
            Values::Whole(numbers) => write!(room, "{}", numbers.value(row)),
            Values::Unsigned(numbers) => write!(room, "{}", numbers.value(row)),
            Values::Floats(numbers) => write!(room, "{}", numbers.value(row)),
            Values::Decimals(decimals) => {
                room.push_str(&decimals.value_as_string(row));
                Ok(())
            }
            Values::Bytes(bytes) => {
                write_bytes(room, bytes.value(row));
                return Cell::Text(room.as_bytes());
            }
        };
        match written {
            Ok(()) => Cell::Number(room.as_bytes()),
            Err(fmt_error) => unreachable!("a string takes whatever is written: {fmt_error}"),
        }
    }
}

fn moments<T: ArrowTimestampType>(array: ArrayRef, unit: TimeUnit) -> Values {
    // The clone and the drop leave one owner of the buffer, so that nothing needs to be copied.
    let numbers = array.as_primitive::<T>().clone();
    drop(array);
    Values::Moments(numbers.reinterpret_cast::<Int64Type>(), unit)
}

/// Writes sixteen bytes as a UUID and all others as they are in hexadecimal.
fn write_bytes(room: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (place, byte) in bytes.iter().enumerate() {
        if bytes.len() == 16 && matches!(place, 4 | 6 | 8 | 10) {
            room.push('-');
        }
        room.push(char::from(DIGITS[usize::from(byte >> 4)]));
        room.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}
